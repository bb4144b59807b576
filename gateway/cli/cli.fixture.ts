import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { Interrupted } from './interrupt.ts';
import { drawbridge } from './program.ts';
import type { Question } from './prompt.ts';

export interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export const mainFile = join(import.meta.dirname, '../main.ts');

/** Runs the command line as a process of its own. */
export function spawned(args: readonly string[], cwd: string, file = mainFile): Promise<Outcome> {
  return new Promise((resolve) => {
    execFile(process.execPath, [file, ...args], { cwd }, (error, out, err) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : error === null ? 0 : -1, out, err });
    });
  });
}

/** Runs the command line in this process. */
export function called(...args: readonly string[]): Promise<Outcome> {
  return calledBy({}, ...args);
}

/** What a command line finds on standard input: what is piped in, or a person who gives these answers. */
export interface Caller {
  readonly input?: string;
  readonly answers?: readonly string[];
  /** Whether a person watches. */
  readonly watched?: boolean;
}

/** Runs the command line in this process for somebody; what is asked stands in `err`. */
export async function calledBy(
  { input = '', answers, watched = false }: Caller,
  ...args: readonly string[]
): Promise<Outcome> {
  let [out, err] = ['', ''];
  const left = [...(answers ?? [])];
  const ask = async ({ text, hidden = false }: Question): Promise<string> => {
    const answer = left.shift();
    if (answer === undefined) throw new Interrupted();
    err += `${text}${hidden ? '' : answer}\n`;
    return answer;
  };
  const code = await drawbridge(args, {
    out: (text) => {
      out += `${text}\n`;
    },
    err: (text) => {
      err += `${text}\n`;
    },
    watched,
    input: Readable.from([input]),
    ask: answers === undefined ? undefined : ask,
  });
  return { code, out, err };
}

/** A folder with what `init` writes; its listeners are on free ports of loopback, and no DNS server is asked. */
export class Sandbox {
  readonly dir: string;

  static async create(): Promise<Sandbox> {
    const sandbox = new Sandbox(await mkdtemp(join(tmpdir(), 'drawbridge-cli-')));
    await called('init', sandbox.dir);
    await sandbox.edit('gateway.yaml', [
      [/0\.0\.0\.0:\d+/g, '127.0.0.1:0'],
      ['127.0.0.1:8480', '127.0.0.1:0'],
      ['port: 5347', 'port: 1'],
      ['# servers: ["127.0.0.1:53"]', 'servers: ["127.0.0.1:1"]'],
    ]);
    return sandbox;
  }

  private constructor(dir: string) {
    this.dir = dir;
  }

  path(name: string): string {
    return join(this.dir, name);
  }

  write(name: string, text: string): Promise<void> {
    return writeFile(this.path(name), text);
  }

  /** Replaces texts in a file; throws where one is not there. */
  async edit(name: string, replacements: readonly (readonly [string | RegExp, string])[]): Promise<void> {
    let text = await readFile(this.path(name), 'utf8');
    for (const [from, to] of replacements) {
      const edited = text.replace(from, to);
      if (edited === text) throw new Error(`${name} does not hold ${from}`);
      text = edited;
    }
    await this.write(name, text);
  }

  remove(): Promise<void> {
    return rm(this.dir, { recursive: true, force: true });
  }
}
