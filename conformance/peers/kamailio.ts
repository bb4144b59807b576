import { execFile } from 'node:child_process';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type KeyPair, writeAuthority, writeKeyPair } from './authority.ts';
import {
  dispatcherList,
  type KamailioConfig,
  type KamailioPorts,
  kamailioConfig,
  type NextHop,
  tlsConfig,
} from './kamailio-config.ts';
import { Lines } from './lines.ts';
import { ServerProcess } from './process.ts';

export interface KamailioOptions {
  readonly domain: string;
  /** The loopback address of every port of this server. */
  readonly address: string;
  readonly ports: KamailioPorts;
  /** An existing folder of its own; whoever made it removes it. */
  readonly folder: string;
  /** The private CA, PEM. */
  readonly authorityPem: string;
  /** Presented on the trunk in both directions, and to phones. */
  readonly certificate: KeyPair;
  /** Foreign domain to its servers; `*` is everything else. None when left out: 404. */
  readonly routes?: Readonly<Record<string, readonly NextHop[]>> | undefined;
  /** Seconds between two OPTIONS to each next hop; none when left out. */
  readonly pingSeconds?: number | undefined;
  /** Further lines at the top of the request route, in Kamailio's own language. */
  readonly script?: string | undefined;
}

/** Kamailio 5.6 in the foreground: registrar and proxy of one domain, over TLS and TCP. It looks nothing up in DNS. */
export class Kamailio {
  /** One line a message: `request METHOD <target> from <uri> call ID by PROTO IP:PORT at OUR-PORT`, `response STATUS …`. */
  readonly log = new Lines();
  readonly #options: KamailioOptions;
  #routes: Readonly<Record<string, readonly NextHop[]>>;
  #server: ServerProcess | undefined;

  /** Writes configuration and certificates, and starts the server. */
  static async start(options: KamailioOptions): Promise<Kamailio> {
    const kamailio = new Kamailio(options);
    await mkdir(kamailio.#certificates, { recursive: true });
    await writeAuthority(kamailio.#certificates, options.authorityPem);
    await writeKeyPair(kamailio.#certificates, options.domain, options.certificate);
    await kamailio.start();
    return kamailio;
  }

  private constructor(options: KamailioOptions) {
    this.#options = options;
    this.#routes = options.routes ?? {};
  }

  get domain(): string {
    return this.#options.domain;
  }

  get address(): string {
    return this.#options.address;
  }

  get ports(): KamailioPorts {
    return this.#options.ports;
  }

  get pid(): number | undefined {
    return this.#server?.pid;
  }

  /** Resolves when every port accepts. */
  async start(): Promise<void> {
    const { address, domain, ports, folder } = this.#options;
    await this.#write();
    this.#server = await ServerProcess.start(
      {
        name: `kamailio ${domain} at ${address}`,
        command: 'kamailio',
        // -DD: workers are forked and the first process stays; shared and private memory in MB.
        args: ['-f', join(folder, 'kamailio.cfg'), '-DD', '-E', '-m', '24', '-M', '6', '-w', folder, '-Y', folder],
        cwd: folder,
        lastSignal: 'SIGTERM',
        ready: Object.values(ports).map((port) => ({ address, port })),
      },
      this.log,
    );
  }

  /** SIGTERM. Resolves when the process is gone; registrations are forgotten. */
  async stop(): Promise<void> {
    await this.#server?.stop('SIGTERM');
  }

  /** SIGKILL for it and the workers that it forked: the machine lost power. */
  async kill(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server?.pid === undefined || !server.running) return;
    const workers = await descendants(server.pid);
    server.kill();
    for (const worker of workers) endOne(worker);
    await server.exit;
  }

  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  /** Other next hops from now on, without a restart; only between hops of one kind (TLS or TCP) and of known domains. */
  async reroute(routes: Readonly<Record<string, readonly NextHop[]>>): Promise<void> {
    this.#routes = routes;
    await this.#write();
    await this.command('tls.reload');
    await this.command('dispatcher.reload');
  }

  /** Replaces certificate and key for the connections to come, without a restart. */
  async rotateCertificate(certificate: KeyPair): Promise<void> {
    await writeKeyPair(this.#certificates, this.domain, certificate);
    await this.command('tls.reload');
  }

  /** Says where a user is who cannot register, `sip:…`, for ten minutes. */
  async bind(user: string, contact: string): Promise<void> {
    await this.command('ul.add', 'location', user, contact, '600', '1.0', 's:', '0', '0', '4294967295');
  }

  /** Runs a command of Kamailio's own control socket, such as `ul.dump`; resolves with what it printed. */
  async command(...words: string[]): Promise<string> {
    const { stdout } = await execute('kamcmd', ['-s', `unix:${join(this.#options.folder, 'ctl')}`, ...words]);
    return stdout;
  }

  /** Waits for a request that was logged after a mark and resolves with the line. */
  requested(method: string, target: string, after = 0): Promise<string> {
    return this.log.waitFor(new RegExp(`request ${method} <${escapeRegExp(target)}`), { after });
  }

  close(): Promise<void> {
    return this.kill();
  }

  get #certificates(): string {
    return join(this.#options.folder, 'certificates');
  }

  async #write(): Promise<void> {
    const { folder, domain, address, ports, pingSeconds = 0, script = '' } = this.#options;
    const config: KamailioConfig = { folder, domain, address, ports, routes: this.#routes, pingSeconds, script };
    await writeFile(join(folder, 'tls.cfg'), tlsConfig(config));
    await writeFile(join(folder, 'dispatcher.list'), dispatcherList(config));
    await writeFile(join(folder, 'kamailio.cfg'), kamailioConfig(config));
  }
}

const execute = promisify(execFile);

/** The processes that one forked, and theirs. */
async function descendants(pid: number): Promise<number[]> {
  const threads = await readdir(`/proc/${pid}/task`).catch(() => []);
  const children = await Promise.all(
    threads.map((thread) => readFile(`/proc/${pid}/task/${thread}/children`, 'utf8').catch(() => '')),
  );
  const own = children.flatMap((text) => text.split(' ').filter(Boolean).map(Number));
  return [...own, ...(await Promise.all(own.map(descendants))).flat()];
}

function endOne(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // it has ended with its parent
  }
}

function escapeRegExp(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
