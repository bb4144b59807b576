import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Lines } from './lines.ts';
import { ServerProcess } from './process.ts';

export interface SippOptions {
  /** XML, see `sipp-scenarios.ts`. */
  readonly scenario: string;
  /** Where it listens, and comes from. */
  readonly address: string;
  readonly port: number;
  /** An existing folder of its own; whoever made it removes it. */
  readonly folder: string;
  /** Calls, or messages, until it ends; a server goes on until it is closed when left out, a client makes one. */
  readonly calls?: number | undefined;
  /** Seconds after which it gives up a call, or waiting for one; 30 when left out. */
  readonly patience?: number | undefined;
}

export interface SippClientOptions extends SippOptions {
  readonly target: { readonly address: string; readonly port: number };
  /** New calls a second; 10 when left out. */
  readonly rate?: number | undefined;
  /** Calls at a time; as many as it takes when left out. */
  readonly atOnce?: number | undefined;
  /** `[service]` of the scenario, the user called. */
  readonly service?: string | undefined;
}

/** What sipp counted over its whole life. */
export interface SippReport {
  readonly successful: number;
  readonly failed: number;
  readonly retransmissions: number;
  /** Every column of its statistics by name, as text. */
  readonly all: ReadonlyMap<string, string>;
  /** What it complained of; '' where it did not. */
  readonly errors: string;
}

/** SIPp 3.6 with one scenario, over one TCP connection as a client and as many as come as a server. Debian's speaks no TLS: see {@link Stunnel}. */
export class Sipp {
  readonly log = new Lines(500);
  /** Resolves when it has ended by itself or was closed. */
  readonly finished: Promise<SippReport>;
  readonly address: string;
  readonly port: number;
  readonly #server: ServerProcess;

  /** Answers; resolves when it listens. */
  static async uas(options: SippOptions): Promise<Sipp> {
    const { address, port, calls } = options;
    return await Sipp.#start(
      'server',
      options,
      [...(calls === undefined ? [] : ['-m', String(calls)])],
      [{ address, port }],
    );
  }

  /** Asks; resolves when it runs. */
  static async uac(options: SippClientOptions): Promise<Sipp> {
    const { target, calls = 1, rate = 10, atOnce, service } = options;
    return await Sipp.#start(
      'client',
      options,
      [
        ...['-m', String(calls), '-r', String(rate)],
        ...(atOnce === undefined ? [] : ['-l', String(atOnce)]),
        ...(service === undefined ? [] : ['-s', service]),
        `${target.address}:${target.port}`,
      ],
      [],
    );
  }

  static async #start(
    name: string,
    options: SippOptions,
    args: readonly string[],
    ready: readonly { address: string; port: number }[],
  ): Promise<Sipp> {
    const { scenario, address, port, folder, patience = 30 } = options;
    await writeFile(join(folder, 'scenario.xml'), scenario);
    const log = new Lines(500);
    const server = await ServerProcess.start(
      {
        name: `sipp ${name} at ${address}:${port}`,
        command: 'sipp',
        args: [
          ...['-sf', 'scenario.xml', '-t', 't1', '-i', address, '-p', String(port), '-nostdin'],
          ...['-trace_stat', '-stf', 'stat.csv', '-fd', '1', '-trace_err', '-error_file', 'errors.log'],
          ...[
            '-timeout',
            `${patience}s`,
            '-recv_timeout',
            String(1_000 * patience),
            '-max_socket',
            '2000',
            '-reconnect_close',
            'false',
          ],
          ...args,
        ],
        cwd: folder,
        env: { TERM: 'dumb' },
        ready,
      },
      log,
    );
    return new Sipp(server, log, options);
  }

  private constructor(server: ServerProcess, log: Lines, { address, port, folder }: SippOptions) {
    this.address = address;
    this.port = port;
    this.log = log;
    this.#server = server;
    this.finished = server.exit.then(() => readReport(folder));
  }

  /** Ends it when the calls that stand are over (SIGUSR1), and resolves with what it counted. */
  async finish(): Promise<SippReport> {
    this.#server.signal('SIGUSR1');
    return await this.finished;
  }

  async close(): Promise<void> {
    this.#server.kill();
    await this.#server.exit;
  }
}

async function readReport(folder: string): Promise<SippReport> {
  const text = await readFile(join(folder, 'stat.csv'), 'utf8').catch(() => '');
  const errors = await readFile(join(folder, 'errors.log'), 'utf8').catch(() => '');
  const [names = '', ...rows] = text.trim().split('\n');
  const values = (rows.at(-1) ?? '').split(';');
  const all = new Map(names.split(';').map((column, index) => [column, values[index] ?? '']));
  const count = (column: string) => Number(all.get(`${column}(C)`) ?? 0);
  return {
    successful: count('SuccessfulCall'),
    failed: count('FailedCall'),
    retransmissions: count('Retransmissions'),
    all,
    errors,
  };
}
