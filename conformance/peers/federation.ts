import { selfSigned } from './authority.ts';
import type { TestClient } from './client.ts';
import { publishXmpp } from './dns.ts';
import type { GatewayProcess } from './gateway.ts';
import type { Peer } from './peer.ts';
import { World } from './world.ts';

export type ServerKind = 'prosody' | 'ejabberd';

export interface FederationOptions {
  readonly partner: ServerKind;
  readonly home: ServerKind;
  /** What both sides can prove themselves by. */
  readonly proof: 'certificate' | 'dialback';
  /** What both sides publish in DNS. */
  readonly tls: 'starttls' | 'direct';
  /** The partner's policy file, where it is not {@link openPolicy}. */
  readonly policy?: string;
  /** Policy files of further partners, by their one domain: raw sockets play them. */
  readonly others?: Readonly<Record<string, string>>;
  /** Further keys of `edges.xmpp`. */
  readonly edge?: string;
  /** Further Prosody modules of the partner, e.g. `s2s_bidi`. */
  readonly partnerModules?: readonly string[];
}

export const partnerDomain = 'p.example';
export const partnerRooms = 'conference.p.example';
export const homeDomain = 'h.example';
export const homeRooms = 'conference.h.example';
const secret = 'component-secret';

/** Everything allowed, nothing limited: for scenarios about something else than policy. */
export function openPolicy(proof: FederationOptions['proof']): string {
  return `partner: ${partnerDomain}
domains: [${partnerDomain}, ${partnerRooms}]
trust: { accept: [${proof}] }
presence: [{ local: "*", show: full }]
messages: { allow: both, maxBytes: 400000 }
iq: { allow: [ping, disco, version, "jabber:iq:last"] }
`;
}

/** A partner's server, the gateway, and the server of the local users behind it. */
export class Federation {
  readonly world: World;
  readonly partner: Peer;
  readonly home: Peer;
  readonly gateway: GatewayProcess;

  static async start(options: FederationOptions): Promise<Federation> {
    const world = await World.start();
    try {
      return await Federation.#build(world, options);
    } catch (error) {
      await world.close();
      throw error;
    }
  }

  static async #build(world: World, options: FederationOptions): Promise<Federation> {
    const { proof, tls, others = {} } = options;
    const dialback = proof === 'dialback';
    const own = async (...domains: string[]) => (dialback ? { certificate: await selfSigned(...domains) } : {});
    const partnerWanted = {
      domain: partnerDomain,
      rooms: partnerRooms,
      users: { bob: 'pass-b', bert: 'pass-b' },
      dialback,
      directTls: true,
      ...(await own(partnerDomain, partnerRooms)),
    };
    const homeWanted = {
      domain: homeDomain,
      rooms: homeRooms,
      users: { alice: 'pass-a', ceo: 'pass-c' },
      publish: false,
      components: [partnerDomain, partnerRooms, ...Object.keys(others)].map((domain) => ({ domain, secret })),
    };
    const [partner, home] = await Promise.all([
      options.partner === 'prosody'
        ? world.prosody({ ...partnerWanted, modules: options.partnerModules })
        : world.ejabberd(partnerWanted),
      options.home === 'prosody' ? world.prosody(homeWanted) : world.ejabberd(homeWanted),
    ]);
    const gateway = await world.gateway({
      home,
      homeDomains: [homeDomain, homeRooms],
      secret,
      policies: {
        [`${partnerDomain}.yaml`]: options.policy ?? openPolicy(proof),
        ...Object.fromEntries(Object.entries(others).map(([domain, policy]) => [`${domain}.yaml`, policy])),
      },
      ...(options.edge === undefined ? {} : { edge: options.edge }),
      ...(await own(homeDomain, homeRooms)),
    });
    if (tls === 'direct') {
      const { dns } = world;
      for (const name of [partnerDomain, partnerRooms]) {
        publishXmpp(dns, name, [{ host: partner.address, port: partner.ports.s2sDirectTls, tls }]);
      }
      for (const name of [homeDomain, homeRooms]) {
        publishXmpp(dns, name, [{ host: gateway.address, port: gateway.ports.directTls, tls }]);
      }
    }
    await gateway.linked(partnerDomain, partnerRooms, ...Object.keys(others));
    return new Federation(world, partner, home, gateway);
  }

  private constructor(world: World, partner: Peer, home: Peer, gateway: GatewayProcess) {
    this.world = world;
    this.partner = partner;
    this.home = home;
    this.gateway = gateway;
  }

  /** A user of the partner. */
  bob(name = 'bob'): Promise<TestClient> {
    return this.world.client(this.partner, name);
  }

  /** A local user. */
  alice(name = 'alice'): Promise<TestClient> {
    return this.world.client(this.home, name);
  }

  close(): Promise<void> {
    return this.world.close();
  }
}
