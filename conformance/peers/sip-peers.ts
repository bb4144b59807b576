import type { KeyPair } from './authority.ts';
import { Baresip, type BaresipOptions } from './baresip.ts';
import { publishSip } from './dns.ts';
import { Kamailio, type KamailioOptions } from './kamailio.ts';
import { SipUser, type SipUserOptions } from './sip-user.ts';
import { SipWire, type SipWireOptions, SipWireServer } from './sip-wire.ts';
import { Sipp, type SippClientOptions, type SippOptions } from './sipp.ts';
import { Stunnel, type StunnelOptions } from './stunnel.ts';
import type { World } from './world.ts';

/** What this fills in unless it is given. */
type Provided = 'address' | 'ports' | 'port' | 'folder' | 'nameserver' | 'authorityPem' | 'certificate';
type Wanted<T> = Omit<T, Provided> & Partial<Pick<T, Extract<keyof T, 'address' | 'certificate'>>>;

type WantedKamailio = Wanted<KamailioOptions> & {
  /** false: its domain gets no records, as of a PBX behind the gateway; true when left out. */
  readonly publish?: boolean;
};

/** How a phone or a user reaches its proxy. */
export type Access = 'tls' | 'tcp';

/** The SIP servers, phones and tools of a scenario, each on an address of its own, closed with the world. */
export class SipPeers {
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  /** The proxy and registrar of a domain, with a certificate that names it both ways (RFC 5922 §7.1), published in DNS. */
  async kamailio({ publish = true, ...wanted }: WantedKamailio): Promise<Kamailio> {
    const { authority, dns, loopback } = this.#world;
    const { domain } = wanted;
    const address = wanted.address ?? loopback.address();
    const ports = {
      trunk: await loopback.port(address),
      phones: await loopback.port(address),
      tcp: await loopback.port(address),
    };
    if (publish) publishSip(dns, domain, [{ host: address, port: ports.trunk }]);
    return await this.#world.ownSoon(
      Kamailio.start({
        ...wanted,
        address,
        ports,
        folder: await this.#world.makeFolder(`kamailio-${domain}`),
        authorityPem: authority.pem,
        certificate: wanted.certificate ?? (await this.sipCertificate(domain)),
      }),
    );
  }

  /** Names a domain as SIP wants it, by URI, and by DNS for whoever reads no URIs. */
  sipCertificate(...domains: string[]): Promise<KeyPair> {
    return this.#world.authority.issue({ domains, uris: domains.map((domain) => `sip:${domain}`) });
  }

  /** A user agent of sip.js, registered at this proxy; `bob` is `sip:bob@` its domain. */
  async user(
    proxy: Kamailio,
    name: string,
    { access = 'tls', register = true, ...more }: UserOptions = {},
  ): Promise<SipUser> {
    const { address, ports, domain } = proxy;
    const localAddress = this.#world.loopback.address();
    const where = access === 'tls' ? { port: ports.phones, tls: {} } : { port: ports.tcp };
    const user = await this.#world.ownSoon(
      SipUser.connect({ uri: `sip:${name}@${domain}`, proxy: { address, localAddress, ...where }, ...more }),
    );
    if (register) await user.register();
    return user;
  }

  /** A telephone at this proxy, registered. */
  async phone(
    proxy: Kamailio,
    name: string,
    { access = 'tls', ...more }: { readonly access?: Access } & Partial<BaresipOptions> = {},
  ): Promise<Baresip> {
    const { authority, loopback, nameserver } = this.#world;
    const address = loopback.address();
    const tls = access === 'tls';
    return await this.#world.ownSoon(
      Baresip.start({
        uri: `sip:${name}@${proxy.domain}`,
        address,
        ports: { sip: await loopback.port(address), control: await loopback.port(address) },
        proxy: { address: proxy.address, port: tls ? proxy.ports.phones : proxy.ports.tcp, tls },
        folder: await this.#world.makeFolder(`baresip-${name}`),
        nameserver,
        authorityPem: authority.pem,
        certificate: await authority.issue({ domains: [`${name}.${proxy.domain}`] }),
        ...more,
      }),
    );
  }

  /** SIPp that answers. */
  async sippServer(wanted: Wanted<SippOptions>): Promise<Sipp> {
    return await this.#world.ownSoon(Sipp.uas(await this.#place('sipp-uas', wanted)));
  }

  /** SIPp that asks. */
  async sippClient(wanted: Wanted<SippClientOptions>): Promise<Sipp> {
    return await this.#world.ownSoon(Sipp.uac(await this.#place('sipp-uac', wanted)));
  }

  /** TLS before or behind something that has none. */
  async stunnel(wanted: Wanted<StunnelOptions> & { readonly certificate: KeyPair }): Promise<Stunnel> {
    const placed = await this.#place('stunnel', wanted);
    return await this.#world.ownSoon(Stunnel.start({ ...placed, authorityPem: this.#world.authority.pem }));
  }

  /** A connection of an adversary, or of whoever sends what no stack would, from an address of its own. */
  async wire(wanted: SipWireOptions): Promise<SipWire> {
    const localAddress = this.#world.loopback.address();
    return await this.#world.ownSoon(SipWire.connect({ localAddress, ...wanted }));
  }

  /** Connections to a server of ours that answers by hand: over TLS where it has a certificate, which it asks of its peers too. */
  async wireServer(certificate?: KeyPair): Promise<SipWireServer> {
    const tls = certificate && {
      cert: certificate.certificatePem,
      key: certificate.keyPem,
      ca: this.#world.authority.pem,
    };
    return await this.#world.ownSoon(SipWireServer.start(this.#world.loopback.address(), tls));
  }

  async #place<T extends { readonly address?: string }>(name: string, wanted: T) {
    const { loopback } = this.#world;
    const address = wanted.address ?? loopback.address();
    return { ...wanted, address, port: await loopback.port(address), folder: await this.#world.makeFolder(name) };
  }
}

type UserOptions = Partial<Pick<SipUserOptions, 'display' | 'supported'>> & {
  readonly access?: Access;
  /** false: it is only connected, and nobody finds it. */
  readonly register?: boolean;
};
