import { onTestFinished } from 'vitest';
import { DialbackKeys } from '../../gateway/xmpp/dialback-key.ts';
import { type KeyPair, selfSigned } from './authority.ts';
import type { TestClient } from './client.ts';
import { publishXmpp } from './dns.ts';
import type { GatewayProcess } from './gateway.ts';
import type { Prosody } from './prosody.ts';
import { RawPartner } from './raw-partner.ts';
import { RawServer } from './raw-server.ts';
import { World } from './world.ts';

export const home = 'h.example';
export const rooms = 'conference.h.example';
/** Looks like a key and is none. */
export const forged = 'f'.repeat(64);
export const ourKeys = new DialbackKeys('secret of the gateway');

/** Partners whose authoritative server is a Prosody, with the secret of its keys: it derives them by XEP-0185 as we do. */
const secrets = { 'd.example': 'secret of d', 'e.example': 'secret of e', 'b.example': 'secret of b' };
export type DialbackPartner = keyof typeof secrets;
const partners = Object.keys(secrets) as DialbackPartner[];

/** What the policy of each partner accepts. */
const accepts: Readonly<Record<string, string>> = {
  'd.example': '[certificate, dialback]',
  'e.example': '[dialback]',
  'b.example': '{ all: [certificate, dialback] }',
  'c.example': '[certificate]',
  's.example': '[certificate, dialback]',
  'gone.example': '[dialback]',
  'nowhere.example': '[dialback]',
  'w.example': '[dialback]',
};
/** Of `trust` in each of them. */
export const trustLine = 3;

const policy = (domain: string, accept: string) => `partner: ${domain}
domains: [${domain}, "*.${domain}"]
trust: { accept: ${accept} }
presence: [{ local: "*", show: full }]
messages: { allow: both }
`;
const secret = 'component-secret';

/**
 * A gateway with partners of every kind of trust. The streams to it are spoken by hand; the authoritative servers of d, e and b.example are real, the
 * one of gone.example does not accept, nowhere.example is not in DNS, and s.example is played by {@link serve}.
 */
export class DialbackWorld {
  readonly world: World;
  readonly gateway: GatewayProcess;
  readonly alice: TestClient;
  readonly #authoritative: ReadonlyMap<DialbackPartner, Prosody>;

  static async start(): Promise<DialbackWorld> {
    const world = await World.start();
    try {
      return await DialbackWorld.#build(world);
    } catch (error) {
      await world.close();
      throw error;
    }
  }

  static async #build(world: World): Promise<DialbackWorld> {
    const starting = partners.map(async (domain): Promise<[DialbackPartner, Prosody]> => {
      // b.example must be able to answer a gateway that demands a certificate of it too.
      const certificate =
        domain === 'b.example' ? await world.authority.issue({ domains: [domain] }) : await selfSigned(domain);
      const settings = `dialback_secret = "${secrets[domain]}"`;
      return [domain, await world.prosody({ domain, dialback: true, settings, certificate })];
    });
    const server = await world.prosody({
      domain: home,
      rooms,
      users: { alice: 'pass-a' },
      publish: false,
      components: [...partners, 's.example'].map((domain) => ({ domain, secret })),
    });
    const authoritative = new Map(await Promise.all(starting));
    const gateway = await world.gateway({
      home: server,
      homeDomains: [home, rooms],
      secret,
      edge: 'dialback: { secret: secret of the gateway }',
      policies: Object.fromEntries(
        Object.entries(accepts).map(([domain, accept]) => [`${domain}.yaml`, policy(domain, accept)]),
      ),
    });
    publishXmpp(world.dns, 'gone.example', [{ host: world.loopback.address(), port: 9 }]);
    await gateway.linked(...partners, 's.example');
    return new DialbackWorld(world, gateway, await world.client(server, 'alice'), authoritative);
  }

  private constructor(
    world: World,
    gateway: GatewayProcess,
    alice: TestClient,
    authoritative: ReadonlyMap<DialbackPartner, Prosody>,
  ) {
    this.world = world;
    this.gateway = gateway;
    this.alice = alice;
    this.#authoritative = authoritative;
  }

  /** The server that decides whether a key of this partner is one. */
  authoritative(domain: DialbackPartner): Prosody {
    const prosody = this.#authoritative.get(domain);
    if (prosody === undefined) throw new Error(`${domain} has no server`);
    return prosody;
  }

  /** A stream with TLS, whose features (or error) are yet to be read; its certificate proves nothing unless given. Closed with the test. */
  async secured(from: string, certificate?: KeyPair): Promise<RawPartner> {
    const own = certificate ?? (await selfSigned(from));
    return this.#closed(await RawPartner.secured(this.gateway, { from, to: home, certificate: own }));
  }

  /** A stream on which dialback may be spoken. */
  async stream(from: string, certificate?: KeyPair): Promise<RawPartner> {
    const partner = await this.secured(from, certificate);
    await partner.features();
    return partner;
  }

  /** A stream without TLS. */
  async clear(from: string): Promise<RawPartner> {
    return this.#closed(await RawPartner.clear(this.gateway, { from, to: home }));
  }

  /** A stream of s.example to `to`, proven by certificate. */
  async proven(to: string): Promise<RawPartner> {
    const certificate = await this.issue('s.example');
    return this.#closed(await RawPartner.proven(this.gateway, { from: 's.example', to, certificate }));
  }

  issue(domain: string): Promise<KeyPair> {
    return this.world.authority.issue({ domains: [domain] });
  }

  /** The key that the server of a partner owns for this very stream. */
  keyOf(domain: DialbackPartner, partner: RawPartner, to = home): string {
    return new DialbackKeys(secrets[domain]).key(to, domain, partner.id);
  }

  /** Plays the server of s.example until the test ends. */
  async serve(features: string): Promise<RawServer> {
    const { gateway, world } = this;
    const certificate = await this.issue('s.example');
    const peer = await RawServer.start({ address: world.loopback.address(), certificate, features });
    publishXmpp(world.dns, 's.example', [peer.target]);
    // What the last test left may have ended in a back-off.
    await gateway.reload();
    onTestFinished(async () => {
      const [before, open] = [gateway.log.mark(), peer.open];
      publishXmpp(world.dns, 's.example', []);
      await peer.close();
      // The next test begins without a stream to s.example.
      await gateway.loggedTimes(open, { event: 'stream-closed', direction: 'outbound', partner: 's.example' }, before);
    });
    return peer;
  }

  close(): Promise<void> {
    return this.world.close();
  }

  #closed(partner: RawPartner): RawPartner {
    onTestFinished(() => partner.close());
    return partner;
  }
}

/** A message stanza as a server writes it. */
export function messageXml(from: string, body: string): string {
  return `<message from='${from}' to='alice@${home}'><body>${body}</body></message>`;
}
