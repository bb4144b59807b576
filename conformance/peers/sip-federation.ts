import type { TestClient } from './client.ts';
import type { SmClient } from './client-sm.ts';
import type { GatewayProcess, SipSide } from './gateway.ts';
import type { Kamailio } from './kamailio.ts';
import type { Peer } from './peer.ts';
import { SipPeers } from './sip-peers.ts';
import type { SipUser } from './sip-user.ts';
import { World } from './world.ts';

export const partnerDomain = 'p.example';
export const homeDomain = 'h.example';
const localUsers = ['alice', 'ceo'] as const;
const secret = 'component-secret';

/** Where the local users are: behind a server of their own, or at the gateway itself. */
export type SipHome = 'prosody' | 'embedded';

export interface SipFederationOptions {
  readonly home: SipHome;
  /** The partner's policy file, where it is not {@link openSipPolicy}. */
  readonly policy?: string | undefined;
  /** Policy files of further partners, by their one domain: raw wires play them. */
  readonly others?: Readonly<Record<string, string>> | undefined;
  /** Further keys of `edges.sip`. */
  readonly edge?: string | undefined;
  /** true: the users' telephones stand behind a PBX, a second Kamailio that the gateway reaches over TCP. */
  readonly pbx?: boolean | undefined;
  /** Further sections of gateway.yaml, as lines of YAML. */
  readonly settings?: string | undefined;
  /** What is to stand, and to be found in DNS, before the gateway looks for it. */
  readonly before?: ((sip: SipPeers, world: World) => Promise<void>) | undefined;
}

/** Everything allowed, nothing limited, over a trunk that DNS tells of. */
export const openSipPolicy = `partner: ${partnerDomain}
speaks: sip
trust: { accept: [certificate] }
messages: { allow: both, maxBytes: 400000 }
calls: { allow: both }
`;

/** A user of the home, whichever that is: what both kinds of client have. */
export type LocalUser = TestClient | SmClient;

/** A partner that speaks SIP, the gateway, and the server of the local users behind it. */
export class SipFederation {
  readonly world: World;
  readonly sip: SipPeers;
  /** The partner's proxy and registrar. */
  readonly partner: Kamailio;
  readonly gateway: GatewayProcess;
  readonly #home: Peer | undefined;
  readonly #pbx: Kamailio | undefined;

  static async start(options: SipFederationOptions): Promise<SipFederation> {
    const world = await World.start();
    try {
      return await SipFederation.#build(world, options);
    } catch (error) {
      await world.close();
      throw error;
    }
  }

  static async #build(world: World, options: SipFederationOptions): Promise<SipFederation> {
    const sip = new SipPeers(world);
    const { others = {} } = options;
    const users = Object.fromEntries(localUsers.map((name) => [name, 'pass-a']));
    const components = [partnerDomain, ...Object.keys(others)].map((domain) => ({ domain, secret }));
    const [partner, pbx, home] = await Promise.all([
      sip.kamailio({ domain: partnerDomain, routes: { [homeDomain]: [] } }),
      options.pbx ? sip.kamailio({ domain: homeDomain, publish: false, routes: { '*': [] } }) : undefined,
      options.home === 'embedded'
        ? undefined
        : world.prosody({ domain: homeDomain, users, publish: false, components }),
    ]);
    const side: SipSide = {
      edge: options.edge,
      ...(pbx && { pbx: { address: pbx.address, port: pbx.ports.tcp } }),
    };
    await options.before?.(sip, world);
    const gateway = await world.gateway({
      home: home ?? { users },
      homeDomains: [homeDomain],
      secret,
      sip: side,
      policies: {
        [`${partnerDomain}.yaml`]: options.policy ?? openSipPolicy,
        ...Object.fromEntries(Object.entries(others).map(([domain, policy]) => [`${domain}.yaml`, policy])),
      },
      ...(options.settings === undefined ? {} : { settings: options.settings }),
    });
    const { address, ports } = gateway;
    await partner.reroute({ [homeDomain]: [{ address, port: ports.sip, tls: true }] });
    await pbx?.reroute({ '*': [{ address, port: ports.sipTcp, tls: false }] });
    if (home !== undefined) await gateway.linked(partnerDomain, ...Object.keys(others));
    return new SipFederation(world, sip, { partner, gateway, home, pbx });
  }

  private constructor(
    world: World,
    sip: SipPeers,
    parts: { partner: Kamailio; gateway: GatewayProcess; home: Peer | undefined; pbx: Kamailio | undefined },
  ) {
    this.world = world;
    this.sip = sip;
    this.partner = parts.partner;
    this.gateway = parts.gateway;
    this.#home = parts.home;
    this.#pbx = parts.pbx;
  }

  /** Of a federation that has one. */
  get pbx(): Kamailio {
    if (this.#pbx === undefined) throw new Error('this federation has no PBX');
    return this.#pbx;
  }

  /** A user of the partner, registered. */
  bob(name = 'bob'): Promise<SipUser> {
    return this.sip.user(this.partner, name);
  }

  /** The telephone of a local user, registered at the PBX. */
  desk(name = 'alice'): Promise<SipUser> {
    return this.sip.user(this.pbx, name, { access: 'tcp' });
  }

  /** A local user, online. */
  alice(name: (typeof localUsers)[number] = 'alice'): Promise<LocalUser> {
    return this.#home === undefined ? this.world.smClient(this.gateway, name) : this.world.client(this.#home, name);
  }

  close(): Promise<void> {
    return this.world.close();
  }
}
