import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type KeyPair, writeAuthority, writeKeyPair } from './authority.ts';
import { Lines } from './lines.ts';
import { ServerProcess } from './process.ts';

export interface StunnelOptions {
  /** `wrap`: takes TCP and speaks TLS to the target; `unwrap`: takes TLS and speaks TCP to it. */
  readonly mode: 'wrap' | 'unwrap';
  readonly address: string;
  readonly port: number;
  readonly target: { readonly address: string; readonly port: number };
  /** An existing folder of its own; whoever made it removes it. */
  readonly folder: string;
  readonly authorityPem: string;
  /** Presented to the other side, in either mode. */
  readonly certificate: KeyPair;
  /** The name asked of the target, where TLS is spoken to it. */
  readonly serverName?: string | undefined;
}

/** TLS for programs that have none: stunnel in the foreground, which connects from its own address. Both sides' certificates must come from the authority. */
export class Stunnel {
  readonly log = new Lines();
  readonly address: string;
  readonly port: number;
  #server: ServerProcess | undefined;

  static async start(options: StunnelOptions): Promise<Stunnel> {
    const stunnel = new Stunnel(options);
    const { folder, address, port } = options;
    await writeAuthority(folder, options.authorityPem);
    await writeKeyPair(folder, 'own', options.certificate);
    const file = join(folder, 'stunnel.conf');
    await writeFile(file, configuration(options));
    stunnel.#server = await ServerProcess.start(
      {
        name: `stunnel at ${address}:${port}`,
        command: 'stunnel4',
        args: [file],
        cwd: folder,
        ready: [/Configuration successful/],
      },
      stunnel.log,
    );
    return stunnel;
  }

  private constructor({ address, port }: StunnelOptions) {
    this.address = address;
    this.port = port;
  }

  async close(): Promise<void> {
    this.#server?.kill();
    await this.#server?.exit;
  }
}

function configuration({ mode, address, port, target, folder, serverName }: StunnelOptions): string {
  return `foreground = yes
pid =
syslog = no
debug = notice
[relay]
client = ${mode === 'wrap' ? 'yes' : 'no'}
accept = ${address}:${port}
connect = ${target.address}:${target.port}
local = ${address}
cert = ${folder}/own.pem
CAfile = ${folder}/ca.crt
verifyChain = yes
TIMEOUTclose = 0
${serverName === undefined ? '' : `sni = ${serverName}\n`}`;
}
