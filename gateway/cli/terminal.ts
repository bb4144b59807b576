import { ask, type Question } from './prompt.ts';

/** Where a command speaks. Every text is written with a line end behind it. */
export interface Terminal {
  /** Results: what a script reads. */
  out(text: string): void;
  /** Everything that is said beside the result. */
  err(text: string): void;
  /** Whether a person watches `err`, so that progress is worth showing. */
  readonly watched: boolean;
  /** What is piped in. */
  readonly input: AsyncIterable<Buffer | string>;
  /** Asks the person at the keyboard; undefined where there is none. Rejects with `Interrupted` at Ctrl-C or Ctrl-D. */
  readonly ask: ((question: Question) => Promise<string>) | undefined;
}

/** The terminal of this process. A reader that goes away (`drawbridge check | head`) is no error. */
export function processTerminal(): Terminal {
  const { stdout, stderr } = process;
  for (const stream of [stdout, stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
    });
  }
  return {
    out: (text) => stdout.write(`${text}\n`),
    err: (text) => stderr.write(`${text}\n`),
    watched: stderr.isTTY === true,
    // Standard input is only touched by whoever reads it.
    get input() {
      return process.stdin;
    },
    get ask() {
      const { stdin } = process;
      return stdin.isTTY ? (question: Question) => ask(question, { input: stdin, output: stderr }) : undefined;
    },
  };
}
