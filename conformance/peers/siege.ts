import { readFile } from 'node:fs/promises';
import { expect, vi } from 'vitest';
import type { TestClient } from './client.ts';
import { Federation, type FederationOptions, homeDomain } from './federation.ts';
import type { GatewayProcess } from './gateway.ts';
import { RawStream } from './raw.ts';
import { RawPartner, type RawPartnerOptions } from './raw-partner.ts';

/** What the gateway may take of memory under any attack, MiB: idle it takes some 120, and a garbage collector is lazy. */
const mostMemory = 640;
/** How long the gateway may need to give up what attackers left behind, ms: its own limits (2 s to the proof, 5 s to close) with room. */
const patienceMs = 30_000;

/** What a siege may leave behind: what stood before it. */
export interface Streams {
  readonly incoming: number;
  readonly outgoing: number;
  readonly connections: number;
}

/** A federation of good servers whose users go on talking while somebody else attacks the gateway between them. */
export class Siege {
  readonly federation: Federation;
  /** A local user and a partner's. */
  readonly alice: TestClient;
  readonly bob: TestClient;
  /** The machine that attacks come from, so that limits on addresses tell it from the good partner. */
  readonly attacker: string;
  readonly #base: Streams;
  #messages = 0;

  static async start(options: Partial<FederationOptions> = {}): Promise<Siege> {
    const federation = await Federation.start({
      partner: 'prosody',
      home: 'prosody',
      proof: 'certificate',
      tls: 'starttls',
      ...options,
    });
    try {
      const [alice, bob] = await Promise.all([federation.alice(), federation.bob()]);
      await talk(alice, bob, 'before');
      return new Siege(federation, alice, bob, await streams(federation.gateway));
    } catch (error) {
      await federation.close();
      throw error;
    }
  }

  private constructor(federation: Federation, alice: TestClient, bob: TestClient, base: Streams) {
    this.federation = federation;
    this.alice = alice;
    this.bob = bob;
    this.#base = base;
    this.attacker = federation.world.loopback.address();
  }

  get gateway(): GatewayProcess {
    return this.federation.gateway;
  }

  /** A connection of the attacker to the gateway. */
  connect(port: 's2s' | 'directTls' = 's2s'): Promise<RawStream> {
    const { address, ports } = this.gateway;
    return RawStream.connect({ address, port: ports[port], localAddress: this.attacker });
  }

  /** A stream of the attacker, opened to the home domain, with the first features taken. */
  clear(options: RawPartnerOptions = {}): Promise<RawPartner> {
    return RawPartner.clear(this.gateway, this.#as(options));
  }

  /** The same over TLS, with the header that answers taken and not the features. */
  secured(options: RawPartnerOptions = {}): Promise<RawPartner> {
    return RawPartner.secured(this.gateway, this.#as(options));
  }

  /** A stream on which the attacker has proven a domain that is its own. */
  proven(options: RawPartnerOptions, early = ''): Promise<RawPartner> {
    return RawPartner.proven(this.gateway, this.#as(options), early);
  }

  /** Resolves when a message has crossed each way. */
  async talk(): Promise<void> {
    this.#messages += 1;
    await talk(this.alice, this.bob, String(this.#messages));
  }

  /**
   * Runs an attack while the good users talk without a pause. They are understood before, during and after it; the
   * process stays the same and within its memory; and nothing of the attack is left when this resolves.
   */
  async withstand(attack: () => Promise<void>): Promise<void> {
    const { pid } = this.gateway;
    await this.talk();
    let attacking = true;
    const talking = (async () => {
      do {
        await this.talk();
        expect(await this.memory()).toBeLessThan(mostMemory);
      } while (attacking);
    })();
    talking.catch(() => {}); // awaited below, once the attack is over
    try {
      await attack();
    } finally {
      attacking = false;
      await talking;
    }
    await this.settled();
    await this.talk();
    expect(await this.memory()).toBeLessThan(mostMemory);
    expect(this.gateway.pid).toBe(pid);
    expect(this.gateway.lines({ event: 'defect' })).toEqual([]);
    expect(this.gateway.lines({ reason: 'internal' })).toEqual([]);
    expect(this.gateway.log.matching(/Unhandled|Uncaught|MaxListenersExceeded/)).toEqual([]);
  }

  /** Resolves when the gateway holds as many streams and connections as before all attacks. */
  async settled(): Promise<void> {
    await vi.waitFor(async () => expect(await streams(this.gateway)).toEqual(this.#base), {
      timeout: patienceMs,
      interval: 50,
    });
  }

  streams(): Promise<Streams> {
    return streams(this.gateway);
  }

  /** Stanzas that wait to be taken by one side, and messages that are under way to either. */
  async queued(side: 'partners' | 'home'): Promise<number> {
    const metrics = await this.gateway.metrics();
    return (
      sampleOf(metrics, `drawbridge_queued_stanzas{side="${side}"}`) + sampleOf(metrics, 'drawbridge_outbox_messages')
    );
  }

  /** Resident memory of the gateway, MiB. */
  async memory(): Promise<number> {
    const status = await readFile(`/proc/${this.gateway.pid}/status`, 'utf8');
    return Math.round(Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) / 1024);
  }

  close(): Promise<void> {
    return this.federation.close();
  }

  #as(options: RawPartnerOptions): RawPartnerOptions {
    return { to: homeDomain, localAddress: this.attacker, ...options };
  }
}

async function talk(alice: TestClient, bob: TestClient, words: string): Promise<void> {
  for (const [from, to] of [
    [alice, bob],
    [bob, alice],
  ] as const) {
    await from.say(to.jid, words);
    await to.messages.next((message) => message.attrs.from === from.jid && message.getChildText('body') === words);
  }
}

async function streams(gateway: GatewayProcess): Promise<Streams> {
  const metrics = await gateway.metrics();
  const count = (kind: string) => sampleOf(metrics, `drawbridge_streams{kind="${kind}"}`);
  return { incoming: count('incoming'), outgoing: count('outgoing'), connections: count('connections') };
}

function sampleOf(metrics: string, sample: string): number {
  const line = metrics.split('\n').find((one) => one.startsWith(`${sample} `));
  return Number(line?.slice(sample.length));
}
