import { readFile } from 'node:fs/promises';
import { expect, vi } from 'vitest';
import type { KeyPair } from './authority.ts';
import type { SmClient } from './client-sm.ts';
import { publishSip } from './dns.ts';
import type { GatewayProcess } from './gateway.ts';
import { Inbox } from './inbox.ts';
import { SipPeers } from './sip-peers.ts';
import { methodOf, type WireMessage } from './sip-reader.ts';
import { SipWire, type SipWireServer, type WireRequest } from './sip-wire.ts';
import { World } from './world.ts';

export const homeDomain = 'h.example';
export const goodDomain = 'p.example';
export const hostileDomain = 'm.example';
/** What the gateway may take of memory under any attack, MiB: idle it takes some 120, and a garbage collector is lazy. */
const mostMemory = 640;
/** How long the gateway may need to give up what attackers left behind, ms: its own limits (10 s a message) with room. */
const patienceMs = 45_000;
const ringing = ['INVITE', 'ACK', 'CANCEL', 'BYE'];

export interface SipSiegeOptions {
  /** Lines of the hostile partner's policy behind `messages`; calls both ways when left out. */
  readonly hostile?: string | undefined;
  /** Further keys of `edges.sip`. */
  readonly edge?: string | undefined;
}

/** A SIP server that plays a domain by hand: it answers what it must, and keeps what comes. */
export class SipPlayer {
  /** MESSAGEs that came, answered with 200. */
  readonly pages = new Inbox<WireMessage>('MESSAGEs', ({ start }) => start);
  /** How a MESSAGE is answered: 200 unless the test says otherwise. */
  answerPage: (message: WireMessage) => readonly [status: number, reason: string] = () => [200, 'OK'];
  /** INVITE, ACK, CANCEL, BYE and other requests, and on which wire: the test answers them. */
  readonly requests = new Inbox<{ readonly wire: SipWire; readonly message: WireMessage }>(
    'requests',
    ({ message }) => message.start,
  );
  readonly server: SipWireServer;
  readonly #came = new WeakMap<WireMessage, SipWire>();

  constructor(server: SipWireServer) {
    this.server = server;
    void this.#accept();
  }

  /** Answers what comes on a connection. */
  serve(wire: SipWire): void {
    wire.messages.listen((message) => {
      const method = methodOf(message);
      this.#came.set(message, wire);
      if (method === 'MESSAGE') this.pages.add(message);
      const [status, reason] = method === 'MESSAGE' ? this.answerPage(message) : [200, 'OK'];
      if (method === 'MESSAGE' || method === 'OPTIONS') void wire.respond(message, status, reason).catch(() => {});
      else if (method !== '') this.requests.add({ wire, message });
      if (wire.messages.unread.length > 1_000) wire.messages.clear();
    });
  }

  /** A further response to a request that came. */
  async answer(message: WireMessage, status: number, reason: string): Promise<void> {
    await this.#came.get(message)?.respond(message, status, reason);
  }

  async request(method: string): Promise<{ readonly wire: SipWire; readonly message: WireMessage }> {
    return await this.requests.next(({ message }) => methodOf(message) === method);
  }

  async #accept(): Promise<void> {
    for (;;) {
      const wire = await this.server.next({ timeoutMs: 3_600_000 }).catch(() => undefined);
      if (wire === undefined) return;
      this.serve(wire);
    }
  }
}

/** What a siege may leave behind: what stood before it. */
export interface SipLoad {
  readonly connections: number;
  readonly incoming: number;
  readonly outgoing: number;
  readonly calls: number;
}

/** A gateway with two SIP partners, users of its own and a PBX: one partner goes on talking while the other attacks. */
export class SipSiege {
  readonly world: World;
  readonly sip: SipPeers;
  readonly gateway: GatewayProcess;
  readonly alice: SmClient;
  readonly good: SipPlayer;
  readonly hostile: SipPlayer;
  readonly pbx: SipPlayer;
  /** A connection of the good partner. */
  readonly wire: SipWire;
  /** Proves the hostile partner's domain. */
  readonly certificate: KeyPair;
  #base: SipLoad = { connections: 0, incoming: 0, outgoing: 0, calls: 0 };
  #said = 0;

  static async start({ hostile = 'calls: { allow: both }', edge }: SipSiegeOptions = {}): Promise<SipSiege> {
    const world = await World.start();
    try {
      const sip = new SipPeers(world);
      const [goodCertificate, certificate] = await Promise.all([
        sip.sipCertificate(goodDomain),
        sip.sipCertificate(hostileDomain),
      ]);
      const good = new SipPlayer(await sip.wireServer(goodCertificate));
      const bad = new SipPlayer(await sip.wireServer(certificate));
      const pbx = new SipPlayer(await sip.wireServer());
      for (const [domain, { server }] of [
        [goodDomain, good],
        [hostileDomain, bad],
      ] as const) {
        publishSip(world.dns, domain, [{ host: server.address, port: server.port }]);
      }
      const policy = (domain: string, more: string) =>
        `partner: ${domain}\nspeaks: sip\ntrust: { accept: [certificate] }\nmessages: { allow: both, maxBytes: 400000 }\n${more}\n`;
      const gateway = await world.gateway({
        home: { users: { alice: 'pass-a', ceo: 'pass-a' } },
        homeDomains: [homeDomain],
        sip: { pbx: { address: pbx.server.address, port: pbx.server.port }, edge },
        policies: {
          [`${goodDomain}.yaml`]: policy(goodDomain, 'calls: { allow: both }'),
          [`${hostileDomain}.yaml`]: policy(hostileDomain, hostile),
        },
      });
      const alice = await world.smClient(gateway, 'alice');
      const wire = await connect(sip, gateway, goodCertificate);
      good.serve(wire);
      const siege = new SipSiege({ world, sip, gateway, alice, good, hostile: bad, pbx, wire, certificate });
      await siege.talk();
      siege.#base = await siege.load();
      return siege;
    } catch (error) {
      await world.close();
      throw error;
    }
  }

  private constructor(
    parts: Pick<SipSiege, 'world' | 'sip' | 'gateway' | 'alice' | 'good' | 'hostile' | 'pbx' | 'wire' | 'certificate'>,
  ) {
    this.world = parts.world;
    this.sip = parts.sip;
    this.gateway = parts.gateway;
    this.alice = parts.alice;
    this.good = parts.good;
    this.hostile = parts.hostile;
    this.pbx = parts.pbx;
    this.wire = parts.wire;
    this.certificate = parts.certificate;
  }

  /** A connection of the attacker, from an address of its own; with the hostile partner's certificate unless told otherwise. */
  attack(certificate: KeyPair | undefined = this.certificate, localAddress?: string): Promise<SipWire> {
    return connect(this.sip, this.gateway, certificate, localAddress);
  }

  /** The same without a certificate. */
  stranger(localAddress?: string): Promise<SipWire> {
    return connect(this.sip, this.gateway, undefined, localAddress);
  }

  /** A connection as the PBX makes it. */
  async fromPbx(): Promise<SipWire> {
    const { address, ports } = this.gateway;
    const localAddress = this.pbx.server.address;
    return await this.world.ownSoon(SipWire.connect({ address, port: ports.sipTcp, localAddress }));
  }

  /** Resolves when a message has crossed each way between alice and the good partner. */
  async talk(): Promise<void> {
    this.#said += 1;
    const words = `good ${this.#said}`;
    await this.alice.say(`bob@${goodDomain}`, words);
    await this.good.pages.next(({ body }) => body.toString() === words);
    const answer = await this.wire.exchange(page(words, { from: `sip:bob@${goodDomain}` }));
    expect(answer.start).toMatch(/^SIP\/2\.0 20[02] /);
    await this.alice.messages.next((message) => message.getChildText('body') === words);
  }

  /**
   * Runs an attack while the good partner talks without a pause. It is understood before, during and after it; the
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
    this.unhurt(pid);
  }

  /** Nothing was logged that must not happen. */
  unhurt(pid = this.gateway.pid): void {
    expect(this.gateway.pid).toBe(pid);
    expect(this.gateway.lines({ event: 'defect' })).toEqual([]);
    expect(this.gateway.lines({ reason: 'internal' })).toEqual([]);
    expect(this.gateway.log.matching(/Unhandled|Uncaught|MaxListenersExceeded/)).toEqual([]);
  }

  /** Resolves when the gateway holds no more than before all attacks. */
  async settled(): Promise<void> {
    await vi.waitFor(
      async () => {
        const { connections, ...rest } = await this.load();
        const { connections: before, ...base } = this.#base;
        expect(rest).toEqual(base);
        // The gateway itself connects to partners as it needs.
        expect(connections).toBeLessThanOrEqual(before + 3);
      },
      { timeout: patienceMs, interval: 100 },
    );
  }

  async load(): Promise<SipLoad> {
    const metrics = await this.gateway.metrics();
    const of = (what: string) => sampleOf(metrics, `drawbridge_sip{what="${what}"}`);
    return { connections: of('connections'), incoming: of('incoming'), outgoing: of('outgoing'), calls: of('calls') };
  }

  async transactions(): Promise<number> {
    return sampleOf(await this.gateway.metrics(), 'drawbridge_sip{what="transactions"}');
  }

  /** Resident memory of the gateway, MiB. */
  async memory(): Promise<number> {
    const status = await readFile(`/proc/${this.gateway.pid}/status`, 'utf8');
    return Math.round(Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) / 1024);
  }

  /** What came to the PBX that rings somebody, and was not taken. */
  get rang(): readonly string[] {
    return this.pbx.requests.unread
      .map(({ message }) => methodOf(message))
      .filter((method) => ringing.includes(method));
  }

  close(): Promise<void> {
    return this.world.close();
  }
}

/** A MESSAGE to alice; from mallory of the hostile partner unless told otherwise. */
export function page(body: string | Uint8Array, more: Partial<WireRequest> = {}): WireRequest {
  const { headers = [], ...rest } = more;
  const typed = headers.some(([name]) => /^(content-type|c)$/i.test(name));
  return {
    method: 'MESSAGE',
    target: `sip:alice@${homeDomain}`,
    from: `sip:mallory@${hostileDomain}`,
    headers: typed ? headers : [['Content-Type', 'text/plain'], ...headers],
    body,
    ...rest,
  };
}

function connect(
  sip: SipPeers,
  { address, ports }: GatewayProcess,
  certificate: KeyPair | undefined,
  localAddress?: string,
): Promise<SipWire> {
  const proof = certificate && { cert: certificate.certificatePem, key: certificate.keyPem };
  const tls = { servername: homeDomain, ...proof };
  return sip.wire({ address, port: ports.sip, tls, ...(localAddress === undefined ? {} : { localAddress }) });
}

function sampleOf(metrics: string, sample: string): number {
  const line = metrics.split('\n').find((one) => one.startsWith(`${sample} `));
  return Number(line?.slice(sample.length));
}
