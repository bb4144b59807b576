import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';

export interface ProfanityOptions {
  /** An existing folder of its own; whoever made it removes it. */
  readonly folder: string;
  /** Where the server takes clients. */
  readonly address: string;
  readonly port: number;
  readonly jid: string;
  readonly password: string;
  /** The authority that the server's certificate must come from, PEM. */
  readonly authorityPem: string;
}

/** Milliseconds until something must have appeared on the screen. */
const patienceMs = 15_000;

/** A real client that no one here wrote: profanity, on a terminal of its own, signing in with TLS and SCRAM. */
export class Profanity {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #ended: Promise<unknown>;
  #screen = '';
  #look: () => void = () => {};

  /** Starts it; it signs in by itself. */
  static async start({ folder, address, port, jid, password, authorityPem }: ProfanityOptions): Promise<Profanity> {
    const authority = join(folder, 'authority.pem');
    await writeFile(authority, authorityPem);
    await mkdir(join(folder, 'profanity'));
    const account = {
      enabled: 'true',
      jid,
      server: address,
      port,
      resource: 'profanity',
      password,
      'tls.policy': 'force',
    };
    const lines = Object.entries(account).map(([key, value]) => `${key}=${value}\n`);
    await writeFile(join(folder, 'profanity', 'accounts'), `[${jid}]\n${lines.join('')}`);
    // `script` gives it a terminal.
    const child = spawn('script', ['-qfec', `profanity -a ${jid}`, '/dev/null'], {
      cwd: folder,
      env: {
        PATH: process.env.PATH,
        LANG: 'C.UTF-8',
        TERM: 'xterm',
        HOME: folder,
        XDG_DATA_HOME: folder,
        XDG_CONFIG_HOME: folder,
        SSL_CERT_FILE: authority,
      },
    });
    return new Profanity(child);
  }

  private constructor(child: ChildProcessWithoutNullStreams) {
    this.#child = child;
    this.#ended = once(child, 'close');
    child.stdin.on('error', () => {}); // it has ended
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.#screen += stripVTControlCharacters(text);
      this.#look();
    });
  }

  /** Types a line, such as `/msg bob@b.example hello`. */
  type(line: string): void {
    this.#child.stdin.write(`${line}\r`);
  }

  /** Resolves when the text has been on the screen; rejects with the screen when it does not come. */
  async shows(text: string): Promise<void> {
    const failure = new Error();
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        failure.message = `profanity does not show ${text}:\n${this.#screen.slice(-2_000)}`;
        reject(failure);
      }, patienceMs);
      this.#look = () => {
        if (!this.#screen.includes(text)) return;
        clearTimeout(timer);
        this.#look = () => {};
        resolve();
      };
      this.#look();
    });
  }

  /** The terminal is gone, and profanity with it. Idempotent. */
  async close(): Promise<void> {
    this.#child.kill();
    await this.#ended;
  }
}
