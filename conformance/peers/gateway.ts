import { execFile } from 'node:child_process';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type KeyPair, writeAuthority, writeKeyPair } from './authority.ts';
import { Lines } from './lines.ts';
import type { Nameserver } from './peer.ts';
import { ServerProcess } from './process.ts';

export interface GatewayOptions {
  /** The server whose users the gateway stands for, or the users that the gateway serves itself. */
  readonly home: HomeServer | EmbeddedHome;
  readonly homeDomains: readonly string[];
  /** The loopback address of every port of the gateway. */
  readonly address: string;
  readonly ports: GatewayPorts;
  readonly folder: string;
  readonly nameserver: Nameserver;
  readonly authorityPem: string;
  readonly certificate: KeyPair;
  /** Of the component links. */
  readonly secret: string;
  /** Policy files by name, e.g. `b.example.yaml`. */
  readonly policies: Readonly<Record<string, string>>;
  /** Further keys of `edges.xmpp`, as one line of YAML without the braces. */
  readonly edge?: string | undefined;
  /** Further keys of `home.xmpp`, likewise. */
  readonly link?: string | undefined;
  /** Present: it takes SIP trunks. */
  readonly sip?: SipSide | undefined;
  /** Further lines of gateway.yaml, such as `outbox: { keep: false }`. */
  readonly settings?: string | undefined;
  /** Arguments of Node itself, such as `--cpu-prof`. */
  readonly nodeArguments?: readonly string[] | undefined;
}

/** Where the home server takes components: every peer is one. */
export interface HomeServer {
  readonly address: string;
  readonly ports: { readonly component: number };
}

/** The gateway's own home server. */
export interface EmbeddedHome {
  /** User name to password. */
  readonly users: Readonly<Record<string, string>>;
}

/** What a gateway has to do with SIP. */
export interface SipSide {
  /** Further keys of `edges.sip`, as one line of YAML without the braces. */
  readonly edge?: string | undefined;
  /** The PBX of the local users, spoken to over TCP from {@link GatewayPorts.sipTcp}. */
  readonly pbx?: { readonly address: string; readonly port: number } | undefined;
}

export interface GatewayPorts {
  readonly s2s: number;
  readonly directTls: number;
  readonly admin: number;
  /** Where trunks are accepted, over TLS. */
  readonly sip: number;
  /** Where the PBX is accepted. */
  readonly sipTcp: number;
  /** Of the embedded home. */
  readonly c2s: number;
  readonly webSocket: number;
}

/** A line of the gateway's log. */
export interface LogLine {
  readonly event: string;
  readonly reason?: string;
  readonly partner?: string;
  readonly rule?: { file: string; line: number; column: number };
  readonly [fact: string]: unknown;
}

const main = process.env['DRAWBRIDGE_MAIN'] ?? fileURLToPath(new URL('../../gateway/main.ts', import.meta.url));

/** What `gateway/drawbridge.js`, the launcher, tells Node. */
const launched = ['--max-semi-space-size=4'];

/** This gateway, as its users run it: `drawbridge run` in a process of its own. */
export class GatewayProcess {
  readonly log = new Lines();
  readonly #options: GatewayOptions;
  #server: ServerProcess | undefined;

  static async start(options: GatewayOptions): Promise<GatewayProcess> {
    const gateway = new GatewayProcess(options);
    await gateway.#write();
    for (const [username, password] of Object.entries(gateway.users)) await gateway.addUser(username, password);
    await gateway.start();
    return gateway;
  }

  private constructor(options: GatewayOptions) {
    this.#options = options;
  }

  get address(): string {
    return this.#options.address;
  }

  /** Of the users of the embedded home. */
  get domain(): string {
    return this.#options.homeDomains[0] ?? '';
  }

  /** Of the embedded home, with their passwords. */
  get users(): Readonly<Record<string, string>> {
    const { home } = this.#options;
    return !('ports' in home) ? home.users : {};
  }

  get ports(): GatewayPorts {
    return this.#options.ports;
  }

  get pid(): number | undefined {
    return this.#server?.pid;
  }

  get configFile(): string {
    return join(this.#options.folder, 'gateway.yaml');
  }

  async start(): Promise<void> {
    this.#server = await ServerProcess.start(
      {
        name: 'gateway',
        command: process.execPath,
        args: [...launched, ...(this.#options.nodeArguments ?? []), main, 'run', '-c', this.configFile],
        ready: [/"event":"ready"/],
      },
      this.log,
    );
  }

  /** Resolves with the exit code. */
  async stop(): Promise<number | null> {
    const exit = await this.#server?.stop();
    this.#server = undefined;
    return exit?.code ?? null;
  }

  /** SIGKILL. Resolves when the process is gone. */
  async kill(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    server?.kill();
    await server?.exit;
  }

  /** Adds a user to the embedded home, whether it runs or not. */
  async addUser(username: string, password: string): Promise<void> {
    const address = `${username}@${this.domain}`;
    await this.command(['user', 'add', address, '--password-stdin', '-c', this.configFile], `${password}\n`);
  }

  /** Runs a command of the gateway with this on its standard input; resolves with what it wrote, rejects when it fails. */
  async command(args: readonly string[], input = ''): Promise<string> {
    const running = execute(process.execPath, [main, ...args]);
    running.child.stdin?.end(input);
    return (await running).stdout;
  }

  /** Waits until every component link of these partners stands. */
  async linked(...partners: string[]): Promise<void> {
    for (const partner of partners) await this.logged({ event: 'home-linked', partner });
  }

  /** Resolves with the first log line, written after `after`, that has these facts. */
  async logged(facts: Partial<LogLine>, after = 0, timeoutMs = 20_000): Promise<LogLine> {
    // pino writes the keys of one line in any order; look-aheads take them as they come.
    const pattern = Object.entries(facts).map(
      ([key, value]) => `(?=.*${escapeRegExp(`"${key}":${JSON.stringify(value)}`)})`,
    );
    return JSON.parse(await this.log.waitFor(new RegExp(`^${pattern.join('')}.*$`), { after, timeoutMs }));
  }

  /** Waits until so many log lines, written after `after`, have these facts; resolves with all that have. */
  async loggedTimes(count: number, facts: Partial<LogLine>, after = 0): Promise<LogLine[]> {
    for (;;) {
      const lines = this.lines(facts, after);
      if (lines.length >= count) return lines;
      await this.logged(facts, this.log.mark());
    }
  }

  /** The log lines, written after `after`, that have these facts. */
  lines(facts: Partial<LogLine>, after = 0): LogLine[] {
    return this.log
      .since(after)
      .filter((line) => line.startsWith('{'))
      .map((line): LogLine => JSON.parse(line))
      .filter((line) => Object.entries(facts).every(([key, value]) => line[key] === value));
  }

  /** Writes or replaces a policy file and waits until the gateway has taken or refused it. */
  async writePolicy(name: string, text: string): Promise<LogLine> {
    const after = this.log.mark();
    await replaceFile(join(this.#options.folder, 'policies', name), text);
    const line = await this.log.waitFor(/"event":"reload(ed|-failed)"/, { after });
    return JSON.parse(line);
  }

  /** SIGHUP: policies and certificates are read again, and what could not be reached before is tried anew. */
  async reload(): Promise<void> {
    const after = this.log.mark();
    this.#server?.signal('SIGHUP');
    await this.logged({ event: 'reloaded', what: 'certificates' }, after);
  }

  /** Replaces the certificate on disk and waits until the gateway presents it. */
  async rotateCertificate(certificate: KeyPair): Promise<void> {
    const after = this.log.mark();
    await writeKeyPair(join(this.#options.folder, 'pki'), 'gateway', certificate);
    await this.logged({ event: 'reloaded', what: 'certificates' }, after);
  }

  async metrics(): Promise<string> {
    const { address, ports } = this.#options;
    return await (await fetch(`http://${address}:${ports.admin}/metrics`)).text();
  }

  close(): Promise<void> {
    return this.kill();
  }

  async #write(): Promise<void> {
    const { folder, homeDomains, address, ports, nameserver, certificate, authorityPem, policies } = this.#options;
    const pki = join(folder, 'pki');
    await writeKeyPair(pki, 'gateway', certificate);
    await writeAuthority(pki, authorityPem);
    await mkdir(join(folder, 'policies'));
    for (const [name, text] of Object.entries(policies)) await writeFile(join(folder, 'policies', name), text);
    await writeFile(join(folder, 'secret'), this.#options.secret);
    const edge = this.#options.edge === undefined ? '' : `, ${this.#options.edge}`;
    await writeFile(
      this.configFile,
      [
        'state: ./state',
        'policies: ./policies',
        'home:',
        `  domains: [${homeDomains.join(', ')}]`,
        `  xmpp: { ${this.#home()} }`,
        ...this.#pbx(),
        'edges:',
        `  xmpp: { listen: ["${address}:${ports.s2s}"], directTls: ["${address}:${ports.directTls}"]${edge} }`,
        ...this.#sipEdge(),
        'tls:',
        '  certificates: [{ cert: pki/gateway.crt, key: pki/gateway.key }]',
        '  trust: [pki/ca.crt]',
        `dns: { servers: ["${nameserver.address}:${nameserver.port}"], dnssec: off }`,
        `admin: { listen: "${address}:${ports.admin}" }`,
        'log: { level: info }',
        ...(this.#options.settings === undefined ? [] : [this.#options.settings]),
        '',
      ].join('\n'),
    );
  }

  #sipEdge(): string[] {
    const { sip, address, ports } = this.#options;
    if (sip === undefined) return [];
    const tcp = sip.pbx === undefined ? '' : `, tcp: ["${address}:${ports.sipTcp}"]`;
    const more = sip.edge === undefined ? '' : `, ${sip.edge}`;
    return [`  sip: { listen: ["${address}:${ports.sip}"]${tcp}${more} }`];
  }

  #pbx(): string[] {
    const pbx = this.#options.sip?.pbx;
    return pbx === undefined ? [] : [`  sip: { host: ${pbx.address}, port: ${pbx.port}, tls: false }`];
  }

  #home(): string {
    const { home, address, ports, link } = this.#options;
    const keys = !('ports' in home)
      ? `link: embedded, listen: ["${address}:${ports.c2s}"], webSocket: ["${address}:${ports.webSocket}"]`
      : `link: component, host: ${home.address}, port: ${home.ports.component}, secret: { file: ./secret }`;
    return link === undefined ? keys : `${keys}, ${link}`;
  }
}

const execute = promisify(execFile);

async function replaceFile(file: string, text: string): Promise<void> {
  await writeFile(`${file}.new`, text);
  await rename(`${file}.new`, file);
}

function escapeRegExp(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
