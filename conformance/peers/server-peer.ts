import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type KeyPair, writeAuthority, writeKeyPair } from './authority.ts';
import { Lines } from './lines.ts';
import type { Peer, PeerOptions, PeerPorts } from './peer.ts';
import { type ServerCommand, ServerProcess } from './process.ts';

/** What the peers of all makes have in common: one server in the foreground, in a folder of its own. */
export abstract class ServerPeer<Options extends PeerOptions> implements Peer {
  readonly log = new Lines();
  protected readonly options: Options;
  protected server: ServerProcess | undefined;

  protected constructor(options: Options) {
    this.options = options;
  }

  /** How the server is started, and how it shows that it serves. */
  protected abstract command(): ServerCommand;
  abstract addUser(username: string, password: string): Promise<void>;
  abstract rotateCertificate(certificate: KeyPair): Promise<void>;

  get domain(): string {
    return this.options.domain;
  }

  get address(): string {
    return this.options.address;
  }

  get ports(): PeerPorts {
    return this.options.ports;
  }

  get users(): Readonly<Record<string, string>> {
    return this.options.users ?? {};
  }

  get pid(): number | undefined {
    return this.server?.pid;
  }

  async start(): Promise<void> {
    this.server = await ServerProcess.start(this.command(), this.log);
  }

  async stop(): Promise<void> {
    await this.server?.stop('SIGTERM');
  }

  async kill(): Promise<void> {
    this.server?.kill();
    await this.server?.exit;
  }

  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  async close(): Promise<void> {
    await this.kill();
  }

  protected async addUsers(): Promise<void> {
    for (const [username, password] of Object.entries(this.users)) await this.addUser(username, password);
  }

  protected get certificates(): string {
    return join(this.options.folder, 'certificates');
  }

  /** The folder of its data, and that of its certificate, key and authority. */
  protected async layOut(): Promise<void> {
    await mkdir(this.certificates, { recursive: true });
    await mkdir(join(this.options.folder, 'data'), { recursive: true });
    await writeAuthority(this.certificates, this.options.authorityPem);
    await this.writeCertificate(this.options.certificate);
  }

  protected async writeCertificate(certificate: KeyPair): Promise<void> {
    await writeKeyPair(this.certificates, this.domain, certificate);
  }
}
