import { selfSigned } from './authority.ts';
import type { TestClient } from './client.ts';
import { publishXmpp } from './dns.ts';
import type { GatewayProcess } from './gateway.ts';
import type { Peer } from './peer.ts';
import type { Relay } from './relay.ts';
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
  /** Further sections of gateway.yaml, as lines of YAML. */
  readonly settings?: string;
  /** Further settings of the partner, where it is Prosody. */
  readonly partnerSettings?: string;
  /** true: every connection of the gateway goes through a relay, see {@link Federation.network}. */
  readonly relayed?: boolean;
  /** Further Prosody modules of the partner, e.g. `s2s_bidi`. */
  readonly partnerModules?: readonly string[];
}

export const partnerDomain = 'p.example';
export const partnerRooms = 'conference.p.example';
export const homeDomain = 'h.example';
export const homeRooms = 'conference.h.example';
export const remoteUsers = ['bob', 'bert', 'bill', 'bella'] as const;
export const localUsers = ['alice', 'ceo', 'ann', 'abe'] as const;
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

/** The relays around a gateway: its own streams to the partner, the partner's to it, and its links to the home server. */
export interface Network {
  readonly toPartner: Relay;
  readonly toGateway: Relay;
  readonly toHome: Relay;
}

/** A partner's server, the gateway, and the server of the local users behind it. */
export class Federation {
  readonly world: World;
  readonly partner: Peer;
  readonly home: Peer;
  readonly gateway: GatewayProcess;
  readonly #network: Network | undefined;

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
      users: Object.fromEntries(remoteUsers.map((name) => [name, 'pass-b'])),
      dialback,
      directTls: true,
      ...(await own(partnerDomain, partnerRooms)),
    };
    const homeWanted = {
      domain: homeDomain,
      rooms: homeRooms,
      users: Object.fromEntries(localUsers.map((name) => [name, 'pass-a'])),
      publish: false,
      components: [partnerDomain, partnerRooms, ...Object.keys(others)].map((domain) => ({ domain, secret })),
    };
    const [partner, home] = await Promise.all([
      options.partner === 'prosody'
        ? world.prosody({ ...partnerWanted, modules: options.partnerModules, settings: options.partnerSettings })
        : world.ejabberd(partnerWanted),
      options.home === 'prosody' ? world.prosody(homeWanted) : world.ejabberd(homeWanted),
    ]);
    const toHome = options.relayed ? await world.relayTo(home.address, home.ports.component) : undefined;
    const gateway = await world.gateway({
      home: toHome === undefined ? home : { address: toHome.address, ports: { component: toHome.port } },
      homeDomains: [homeDomain, homeRooms],
      secret,
      policies: {
        [`${partnerDomain}.yaml`]: options.policy ?? openPolicy(proof),
        ...Object.fromEntries(Object.entries(others).map(([domain, policy]) => [`${domain}.yaml`, policy])),
      },
      ...(options.edge === undefined ? {} : { edge: options.edge }),
      ...(options.settings === undefined ? {} : { settings: options.settings }),
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
    const network = toHome && { toHome, ...(await relayStreams(world, partner, gateway)) };
    await gateway.linked(partnerDomain, partnerRooms, ...Object.keys(others));
    return new Federation(world, partner, home, gateway, network);
  }

  private constructor(world: World, partner: Peer, home: Peer, gateway: GatewayProcess, network: Network | undefined) {
    this.world = world;
    this.partner = partner;
    this.home = home;
    this.gateway = gateway;
    this.#network = network;
  }

  /** Of a federation that is `relayed`. */
  get network(): Network {
    if (this.#network === undefined) throw new Error('this federation is not relayed');
    return this.#network;
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

/** Puts a relay before each end of the streams, where DNS says from now on that it is. */
async function relayStreams(world: World, partner: Peer, gateway: GatewayProcess): Promise<Omit<Network, 'toHome'>> {
  const [toPartner, toGateway] = [await world.relay(partnerDomain, partner), await world.relay(homeDomain, gateway)];
  publishXmpp(world.dns, partnerRooms, [{ host: toPartner.address, port: toPartner.port }]);
  publishXmpp(world.dns, homeRooms, [{ host: toGateway.address, port: toGateway.port }]);
  return { toPartner, toGateway };
}
