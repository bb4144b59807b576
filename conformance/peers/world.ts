import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DnsServer } from '../dns-server.ts';
import { type KeyPair, TestAuthority } from './authority.ts';
import { type ClientOptions, TestClient } from './client.ts';
import { SmClient, type SmClientOptions } from './client-sm.ts';
import { publishSip, publishXmpp } from './dns.ts';
import { Ejabberd, type EjabberdOptions } from './ejabberd.ts';
import { type GatewayOptions, GatewayProcess } from './gateway.ts';
import { Loopback } from './loopback.ts';
import type { Nameserver, Peer, PeerOptions, PeerPorts } from './peer.ts';
import { Prosody, type ProsodyOptions } from './prosody.ts';
import { Relay } from './relay.ts';

/** What the world provides unless it is given. */
type Provided = 'address' | 'ports' | 'folder' | 'nameserver' | 'authorityPem' | 'certificate';

type Wanted<T extends PeerOptions> = Omit<T, Provided> & {
  readonly address?: string;
  readonly certificate?: KeyPair;
  /** false: the server's domains get no SRV records, as of a server that stands behind the gateway; true when left out. */
  readonly publish?: boolean;
};

type WantedGateway = Omit<GatewayOptions, Exclude<Provided, 'certificate'> | 'certificate' | 'secret'> & {
  readonly certificate?: KeyPair;
  readonly secret?: string;
  /** Publish the direct TLS listener too (XEP-0368). */
  readonly directTls?: boolean;
};

/** What other servers connect to. */
export interface StreamServer {
  readonly address: string;
  readonly ports: { readonly s2s: number };
}

/** What clients sign in to. */
export interface ClientServer {
  readonly address: string;
  readonly domain: string;
  readonly ports: { readonly c2s: number };
  readonly users: Readonly<Record<string, string>>;
}

interface Closable {
  close(): Promise<unknown>;
}

/** One small internet on loopback: DNS, a certificate authority, addresses, and the servers that a scenario starts in it. */
export class World {
  readonly loopback: Loopback;
  readonly dns: DnsServer;
  /** Where the DNS server listens. */
  readonly nameserver: Nameserver;
  readonly authority: TestAuthority;
  /** Removed at the end. */
  readonly folder: string;
  readonly #owned: Closable[] = [];
  #folders = 0;

  static async start(): Promise<World> {
    const loopback = new Loopback();
    const address = loopback.address();
    const dns = await new DnsServer([], { host: address }).start();
    const folder = await mkdtemp(join(tmpdir(), 'drawbridge-peers-'));
    const nameserver = { address, port: dns.port };
    return new World(loopback, dns, nameserver, await TestAuthority.create(), folder);
  }

  private constructor(
    loopback: Loopback,
    dns: DnsServer,
    nameserver: Nameserver,
    authority: TestAuthority,
    folder: string,
  ) {
    this.loopback = loopback;
    this.dns = dns;
    this.nameserver = nameserver;
    this.authority = authority;
    this.folder = folder;
  }

  /** Gives something to the world to close at the end, before everything that came earlier. */
  own<T extends Closable>(thing: T): T {
    this.#owned.push(thing);
    return thing;
  }

  /** A fresh folder, removed with the world. */
  async makeFolder(name: string): Promise<string> {
    this.#folders += 1;
    const folder = join(this.folder, `${this.#folders}-${name}`);
    await mkdir(folder);
    return folder;
  }

  prosody(wanted: Wanted<ProsodyOptions>): Promise<Prosody> {
    return this.ownSoon(this.#complete(wanted).then(Prosody.start));
  }

  ejabberd(wanted: Wanted<EjabberdOptions>): Promise<Ejabberd> {
    return this.ownSoon(this.#complete(wanted).then(Ejabberd.start));
  }

  /**
   * A gateway for the users of `home`, published in DNS as the server of its domains. Its component links stand when
   * this resolves, where `home` takes them.
   */
  gateway(wanted: WantedGateway): Promise<GatewayProcess> {
    return this.ownSoon(this.#completeGateway(wanted).then(GatewayProcess.start));
  }

  /** A relay before a server's streams, where DNS says from now on that it is. */
  async relay(domain: string, { address, ports }: StreamServer): Promise<Relay> {
    const relay = await this.relayTo(address, ports.s2s);
    publishXmpp(this.dns, domain, [{ host: relay.address, port: relay.port }]);
    return relay;
  }

  /** A relay before any port. */
  async relayTo(address: string, port: number): Promise<Relay> {
    const front = this.loopback.address();
    const options = { address: front, port: await this.loopback.port(front), target: { address, port } };
    return this.own(await Relay.start(options));
  }

  /** A user of a server goes online; the password is the one in the server's options unless given. */
  client(peer: Peer, username: string, options: Partial<ClientOptions> = {}): Promise<TestClient> {
    const { address, domain, ports, users } = peer;
    const service = `xmpp://${address}:${ports.c2s}`;
    const password = users[username] ?? '';
    return this.ownSoon(TestClient.connect({ service, domain, username, password, ...options }));
  }

  /** A strict client of a user, over TLS ({@link SmClient}), of a server or of a gateway's embedded home. */
  smClient(server: ClientServer, username: string, options: Partial<SmClientOptions> = {}): Promise<SmClient> {
    const { address, domain, ports, users } = server;
    const password = users[username] ?? '';
    const authorityPem = this.authority.pem;
    return this.ownSoon(
      SmClient.connect({ address, port: ports.c2s, domain, username, password, authorityPem, ...options }),
    );
  }

  /** Closes everything in reverse order, the DNS server last, and removes the folder. Idempotent. */
  async close(): Promise<void> {
    const errors: unknown[] = [];
    const attempt = (step: Promise<unknown>) => step.catch((error) => errors.push(error));
    for (const thing of this.#owned.splice(0).reverse()) await attempt(thing.close());
    await attempt(this.dns.close());
    await attempt(rm(this.folder, { recursive: true, force: true, maxRetries: 3 }));
    if (errors.length > 0) throw new AggregateError(errors, 'the world did not close well');
  }

  /** As {@link own}; what is still starting when the world closes is closed once it has started. */
  ownSoon<T extends Closable>(starting: Promise<T>): Promise<T> {
    this.own({
      close: () =>
        starting.then(
          async (thing) => await thing.close(),
          () => {},
        ),
    });
    return starting;
  }

  async #complete<T extends PeerOptions>({ publish = true, ...wanted }: Wanted<T>) {
    const { domain, rooms } = wanted;
    const domains = rooms === undefined ? [domain] : [domain, rooms];
    const address = wanted.address ?? this.loopback.address();
    const ports = await this.#ports(address);
    if (publish) {
      for (const name of domains) {
        publishXmpp(this.dns, name, [
          { host: address, port: ports.s2s },
          ...(wanted.directTls ? [{ host: address, port: ports.s2sDirectTls, tls: 'direct' as const }] : []),
        ]);
      }
    }
    return {
      ...wanted,
      address,
      ports,
      folder: await this.makeFolder(domain),
      nameserver: this.nameserver,
      authorityPem: this.authority.pem,
      certificate: wanted.certificate ?? (await this.authority.issue({ domains })),
    };
  }

  async #completeGateway({ directTls = false, ...wanted }: WantedGateway): Promise<GatewayOptions> {
    const address = this.loopback.address();
    const ports = {
      s2s: await this.loopback.port(address),
      directTls: await this.loopback.port(address),
      admin: await this.loopback.port(address),
      sip: await this.loopback.port(address),
      sipTcp: await this.loopback.port(address),
      c2s: await this.loopback.port(address),
      webSocket: await this.loopback.port(address),
    };
    for (const domain of wanted.homeDomains) {
      publishXmpp(this.dns, domain, [
        { host: address, port: ports.s2s },
        ...(directTls ? [{ host: address, port: ports.directTls, tls: 'direct' as const }] : []),
      ]);
      if (wanted.sip !== undefined) publishSip(this.dns, domain, [{ host: address, port: ports.sip }]);
    }
    const domains = [...wanted.homeDomains];
    // RFC 5922 §7.1: a SIP domain is named by a URI. The other protocols' peers need none, and get none.
    const names = { domains, ...(wanted.sip && { uris: domains.map((domain) => `sip:${domain}`) }) };
    return {
      secret: 'component-secret',
      ...wanted,
      address,
      ports,
      folder: await this.makeFolder('gateway'),
      nameserver: this.nameserver,
      authorityPem: this.authority.pem,
      certificate: wanted.certificate ?? (await this.authority.issue(names)),
    };
  }

  async #ports(address: string): Promise<PeerPorts> {
    return {
      s2s: await this.loopback.port(address),
      s2sDirectTls: await this.loopback.port(address),
      c2s: await this.loopback.port(address),
      component: await this.loopback.port(address),
    };
  }
}
