import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { createWriteStream, type WriteStream } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { type LogLine, readLogLine } from './log-line.ts';
import { Observed } from './observed.ts';

/** What `drawbridge run` printed when every listener accepted. */
export interface Ready {
  readonly pid: number;
  /** From the spawning of the process to the line, ms. */
  readonly ms: number;
}

const main = fileURLToPath(new URL('../main.ts', import.meta.url));
const leash = new URL('leash.ts', import.meta.url).href;
/** A gateway is ready within a second; ten of them pass on a machine that is busy with something else. */
const START_MS = 20_000;
/** How long a gateway may take to say goodbye to its peers before it is killed. */
const GOODBYE_MS = 3_000;
/** Lines shown of what a gateway that did not start says beside its log. */
const COMPLAINT_LINES = 5;

/** `drawbridge run` as a process of its own, which never outlives this one. */
export class Daemon {
  readonly log = new Observed<LogLine>();
  readonly #configFile: string;
  readonly #logFile: WriteStream;
  #child: ChildProcessByStdio<null, Readable, Readable> | undefined;
  #exited: Promise<void> = Promise.resolve();

  /** `folder` holds its gateway.yaml; the log is kept beside it, as gateway.log. */
  constructor(folder: string) {
    this.#configFile = join(folder, 'gateway.yaml');
    this.#logFile = createWriteStream(join(folder, 'gateway.log'), { flags: 'a' });
  }

  /** Of the process that runs; undefined where none does. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Resolves when every listener accepts. Rejects, with what it complained of, where it ends before. */
  async start(): Promise<Ready> {
    const before = performance.now();
    // In a group of its own, so that Ctrl-C reaches the demo alone, which ends it in order; the leash does the rest.
    const child = spawn(process.execPath, ['--import', leash, main, 'run', '-c', this.#configFile], {
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      detached: process.platform !== 'win32',
    }) as ChildProcessByStdio<null, Readable, Readable>;
    this.#child = child;
    const complaint: string[] = [];
    createInterface(child.stderr).on('line', (line) => {
      this.#logFile.write(`${line}\n`);
      const logged = readLogLine(line);
      if (logged) this.log.add(logged);
      else if (complaint.length < COMPLAINT_LINES) complaint.push(line);
    });
    const { promise: ready, resolve, reject } = Promise.withResolvers<Ready>();
    createInterface(child.stdout).once('line', (line) => {
      const { pid } = JSON.parse(line) as { readonly pid: number };
      resolve({ pid, ms: performance.now() - before });
    });
    this.#exited = new Promise((exited) => {
      const ended = (why: string): void => {
        if (this.#child === child) this.#child = undefined;
        reject(new Error(`The gateway ended: ${why}.\n${complaint.join('\n')}`));
        exited();
      };
      child.once('error', (error) => ended(error.message));
      child.once('close', (code, signal) => ended(signal ?? `exit code ${code}`));
    });
    const late = setTimeout(() => child.kill('SIGKILL'), START_MS);
    try {
      return await ready;
    } finally {
      clearTimeout(late);
    }
  }

  /** `kill -9`: no farewell on any stream. Resolves when the process is gone. */
  async kill(): Promise<void> {
    this.#child?.kill('SIGKILL');
    await this.#exited;
  }

  /** As {@link kill}, for when nothing can be waited for any more. */
  killNow(): void {
    this.#child?.kill('SIGKILL');
  }

  /** Lets it say goodbye, and insists where that takes too long. Idempotent. */
  async close(): Promise<void> {
    this.#child?.kill('SIGTERM');
    const insist = setTimeout(() => this.#child?.kill('SIGKILL'), GOODBYE_MS);
    await this.#exited;
    clearTimeout(insist);
    this.#logFile.end();
  }
}
