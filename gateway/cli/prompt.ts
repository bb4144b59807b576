import { createInterface } from 'node:readline';
import { type Readable, Writable } from 'node:stream';
import { Interrupted } from './interrupt.ts';

export interface Question {
  readonly text: string;
  /** What is typed does not show: a password. */
  readonly hidden?: boolean;
}

/**
 * Asks on a terminal, with the usual keys for editing the line. Rejects with {@link Interrupted} at Ctrl-C and Ctrl-D.
 */
export function ask({ text, hidden = false }: Question, on: { input: Readable; output: Writable }): Promise<string> {
  const { input, output } = on;
  // As `readline` echoes what it writes out, it writes into nothing.
  const echo = hidden ? new Writable({ write: (_chunk, _encoding, done) => done() }) : output;
  const line = createInterface({ input, output: echo, terminal: true, prompt: hidden ? '' : text });
  return new Promise((resolve, reject) => {
    line.once('line', (answer) => {
      resolve(answer);
      line.close();
    });
    line.once('SIGINT', () => line.close());
    line.once('close', () => {
      if (hidden) output.write('\n');
      // Nothing happens where it was answered.
      reject(new Interrupted());
    });
    // Only now: what is typed as soon as the question stands there must not show.
    if (hidden) output.write(text);
    else line.prompt();
  });
}
