import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Authority, createAuthority, issueCertificate, type KeyPair } from '../../pki/issue.ts';
import { Accounts } from '../home/embedded/accounts.ts';
import { Store } from '../store/store.ts';
import type { Account } from './client-stream.ts';
import { Daemon } from './daemon.ts';
import type { Ports } from './loopback.ts';

/** Room for a few users, and for what waits for them. */
const STORE_BYTES = 64 * 1024 * 1024;

/** What an organisation is made of before anything of it runs. */
export interface OrganisationPlan {
  readonly domain: string;
  /** Its users, by the local part of their addresses, with their passwords. */
  readonly users: Readonly<Record<string, string>>;
  /** Its policy files, by name. */
  readonly policies: Readonly<Record<string, string>>;
}

/** Where SIP comes and goes. */
export interface SipPorts {
  /** Of its gateway, for trunks of partners over TLS. */
  readonly trunks: number;
  /** Of its PBX, over TCP. */
  readonly pbx: number;
}

/** Where it stands. */
export interface Site {
  /** An empty folder of its own. */
  readonly folder: string;
  /** Its loopback address. */
  readonly address: string;
  readonly ports: Ports;
  /** There where partners may come by SIP. */
  readonly sip?: SipPorts | undefined;
}

/** What its gateway must know of the world around. */
export interface Surroundings {
  /** `ip:port`. */
  readonly nameServer: string;
  /** PEM files of authorities besides its own, by the name of who they belong to. */
  readonly trusted: Readonly<Record<string, string>>;
}

/** One organisation: its private authority, its configuration, its users, and its gateway. */
export class Organisation {
  readonly domain: string;
  readonly address: string;
  readonly folder: string;
  readonly authorityPem: string;
  readonly certificate: KeyPair;
  readonly daemon: Daemon;
  readonly users: Readonly<Record<string, string>>;
  readonly xmppServer: number;
  readonly xmppClient: number;
  readonly webSocket: number;
  readonly sip: SipPorts | undefined;
  readonly #policies: Readonly<Record<string, string>>;

  /** Makes its authority and certificate, and takes its ports; nothing listens yet. */
  static async found(plan: OrganisationPlan, site: Site): Promise<Organisation> {
    const { domain } = plan;
    const authority = await createAuthority({ name: `Private authority of ${domain}`, permittedDomains: [domain] });
    const certificate = await issueCertificate(authority, { domains: [domain] });
    const { address, ports } = site;
    const taken = {
      xmppServer: await ports.take(address, 'xmpp-server'),
      xmppClient: await ports.take(address, 'xmpp-client'),
      webSocket: await ports.take(address, 'websocket'),
    };
    return new Organisation(plan, site, authority, certificate, taken);
  }

  private constructor(
    { domain, users, policies }: OrganisationPlan,
    { folder, address, sip }: Site,
    { certificatePem }: Authority,
    certificate: KeyPair,
    { xmppServer, xmppClient, webSocket }: Pick<Organisation, 'xmppServer' | 'xmppClient' | 'webSocket'>,
  ) {
    this.domain = domain;
    this.users = users;
    this.address = address;
    this.folder = folder;
    this.authorityPem = certificatePem;
    this.certificate = certificate;
    this.xmppServer = xmppServer;
    this.xmppClient = xmppClient;
    this.webSocket = webSocket;
    this.sip = sip;
    this.#policies = policies;
    this.daemon = new Daemon(folder);
  }

  /** The name of its gateway in DNS. */
  get host(): string {
    return `gateway.${this.domain}`;
  }

  /** The file that a client must trust. */
  get authorityFile(): string {
    return join(this.folder, 'pki', 'ca.pem');
  }

  get webSocketUrl(): string {
    return `wss://${this.address}:${this.webSocket}/xmpp-websocket`;
  }

  account(local: string): Account {
    const { address, domain, authorityPem } = this;
    return { address, port: this.xmppClient, local, domain, password: this.users[local] ?? '', authorityPem };
  }

  /** Writes everything its gateway needs to start, users included. */
  async layOut({ nameServer, trusted }: Surroundings): Promise<void> {
    const put = (path: string, content: string, mode = 0o644) => writeFile(join(this.folder, path), content, { mode });
    for (const folder of ['pki', 'policies', 'state']) await mkdir(join(this.folder, folder), { mode: 0o700 });
    await put('pki/ca.pem', this.authorityPem);
    await put('pki/gateway.pem', this.certificate.certificatePem);
    await put('pki/gateway.key', this.certificate.keyPem, 0o600);
    for (const [owner, pem] of Object.entries(trusted)) await put(`pki/${owner}.pem`, pem);
    for (const [name, policy] of Object.entries(this.#policies)) await put(`policies/${name}`, policy);
    const trust = ['ca', ...Object.keys(trusted)].map((owner) => `pki/${owner}.pem`);
    await put('gateway.yaml', this.#gatewayYaml(nameServer, trust));
    await this.#addUsers();
  }

  /** What `drawbridge user add` does. */
  async #addUsers(): Promise<void> {
    const file = join(this.folder, 'state', 'drawbridge.db');
    const store = Store.open({ file, fsync: 'checkpoint', bytes: STORE_BYTES, now: Date.now });
    try {
      const accounts = new Accounts(store, { now: Date.now });
      for (const [local, password] of Object.entries(this.users)) await accounts.add(local, this.domain, password);
    } finally {
      store.close();
    }
  }

  #gatewayYaml(nameServer: string, trust: readonly string[]): string {
    const { sip } = this;
    const at = (port: number) => `"${this.address}:${port}"`;
    const pbx = sip && `\n  sip: { host: ${this.address}, port: ${sip.pbx}, tls: false }`;
    const trunks = sip && `\n  sip: { listen: [${at(sip.trunks)}] }`;
    return `state: ./state
policies: ./policies
home:
  domains: [${this.domain}]
  xmpp: { link: embedded, listen: [${at(this.xmppClient)}], webSocket: [${at(this.webSocket)}] }${pbx ?? ''}
edges:
  xmpp: { listen: [${at(this.xmppServer)}] }${trunks ?? ''}
tls:
  certificates: [{ cert: pki/gateway.pem, key: pki/gateway.key }]
  trust: [${trust.join(', ')}]
dns: { servers: ["${nameServer}"], dnssec: off }
log: { level: info }
`;
  }
}
