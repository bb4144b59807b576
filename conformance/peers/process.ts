import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { Lines, type Mark } from './lines.ts';

/** A sign that a server serves: a line of its output, or a port that accepts. */
export type Readiness = RegExp | { readonly address: string; readonly port: number };

export interface ServerCommand {
  /** Used in error messages. */
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd?: string | undefined;
  /** Added to the environment of the tests. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** All of them must be seen before the server counts as started. */
  readonly ready: readonly Readiness[];
  /** Milliseconds; 30,000 when left out: an Erlang node on a busy two-core machine needs up to ten seconds. */
  readonly startTimeoutMs?: number | undefined;
  /** What it gets when the process of the tests ends; SIGKILL when left out, SIGTERM for a server whose workers would outlive it. */
  readonly lastSignal?: 'SIGKILL' | 'SIGTERM' | undefined;
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** How long a server may take to end by itself before it is killed; Prosody waits up to 5 s for its peers to close their streams. */
const graceMs = 8_000;
/** Between two tries at a port that does not accept yet. */
const probeEveryMs = 25;

const running = new Set<ServerProcess>();
process.on('exit', () => {
  for (const server of running) server.signal(server.lastSignal);
});

/** A server in the foreground, ended by its own process id: at the latest when the process of the tests ends. */
export class ServerProcess {
  readonly name: string;
  /** Standard output and standard error, line by line. */
  readonly log: Lines;
  readonly exit: Promise<Exit>;
  readonly lastSignal: 'SIGKILL' | 'SIGTERM';
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  #ended = false;

  /** Spawns and resolves when every sign of readiness was seen; otherwise the process is killed and the error carries its last lines. */
  static async start(command: ServerCommand, log: Lines = new Lines()): Promise<ServerProcess> {
    const before = log.mark();
    const server = new ServerProcess(command, log);
    try {
      await server.#untilReady(command, before);
    } catch (cause) {
      server.kill();
      await server.exit;
      const lines = log.tail(60);
      throw new Error(`${command.name} did not start: ${messageOf(cause)}\n${lines}`, { cause });
    }
    return server;
  }

  private constructor(command: ServerCommand, log: Lines) {
    this.name = command.name;
    this.log = log;
    this.lastSignal = command.lastSignal ?? 'SIGKILL';
    const [file, args] = boundToParent(this.lastSignal, command.command, command.args);
    this.#child = spawn(file, args, {
      cwd: command.cwd,
      env: { ...process.env, ...command.env },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    running.add(this);
    this.#child.stdin.on('error', () => {}); // a write to a server that has just ended: `exit` tells
    createInterface({ input: this.#child.stdout, crlfDelay: Number.POSITIVE_INFINITY }).on('line', (line) =>
      log.add(line),
    );
    createInterface({ input: this.#child.stderr, crlfDelay: Number.POSITIVE_INFINITY }).on('line', (line) =>
      log.add(line),
    );
    this.exit = new Promise((resolve) => {
      const end = (exit: Exit) => {
        this.#ended = true;
        running.delete(this);
        resolve(exit);
      };
      this.#child.once('error', (error) => {
        log.add(String(error));
        if (this.#child.pid === undefined) end({ code: null, signal: null });
      });
      this.#child.once('close', (code, signal) => end({ code, signal }));
    });
  }

  /** The process id; undefined when it could not be spawned. */
  get pid(): number | undefined {
    return this.#child.pid;
  }

  get running(): boolean {
    return !this.#ended;
  }

  /** Writes a line to standard input. */
  write(line: string): void {
    this.#child.stdin.write(`${line}\n`);
  }

  signal(signal: NodeJS.Signals): void {
    if (!this.#ended) this.#child.kill(signal);
  }

  /** Asks the process to end, insists after 8 s, and resolves when it is gone. Idempotent. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<Exit> {
    this.signal(signal);
    const insist = setTimeout(() => this.kill(), graceMs);
    try {
      return await this.exit;
    } finally {
      clearTimeout(insist);
    }
  }

  /** SIGKILL: no farewell on any stream. Await `exit` to know that it is gone. */
  kill(): void {
    this.signal('SIGKILL');
  }

  async #untilReady({ ready, startTimeoutMs: timeoutMs = 30_000 }: ServerCommand, after: Mark): Promise<void> {
    const settled = new AbortController();
    const signal = AbortSignal.any([settled.signal, AbortSignal.timeout(timeoutMs)]);
    const signs = ready.map((sign) =>
      sign instanceof RegExp
        ? this.log.waitFor(sign, { after, timeoutMs, signal: settled.signal })
        : untilAccepting(sign.address, sign.port, signal),
    );
    const early = this.exit.then(({ code, signal }) => {
      throw new Error(`it ended with ${signal ?? `code ${code}`}`);
    });
    try {
      await Promise.race([Promise.all(signs), early]);
    } finally {
      void Promise.allSettled([...signs, early]);
      settled.abort();
    }
  }
}

/** Resolves when the port accepts a connection; rejects when the signal aborts. */
export async function untilAccepting(address: string, port: number, signal: AbortSignal): Promise<void> {
  while (!(await accepts(address, port))) {
    if (signal.aborted) throw new Error(`${address}:${port} does not accept`);
    await new Promise((resolve) => setTimeout(resolve, probeEveryMs));
  }
}

function accepts(address: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, address);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

/** `setpriv` (util-linux) makes the kernel end the server with its parent, even when that is killed and no exit hook runs. */
function boundToParent(signal: NodeJS.Signals, command: string, args: readonly string[]): [string, string[]] {
  const setpriv = '/usr/bin/setpriv';
  return exists(setpriv)
    ? [setpriv, ['--pdeathsig', signal.slice('SIG'.length), command, ...args]]
    : [command, [...args]];
}

function exists(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
