import type { BenchArguments } from './arguments.ts';
import type { Figure } from './figure.ts';

/** One of the benches of `npm run bench`. */
export type Bench = (args: BenchArguments, output: Output) => Figure[] | Promise<Figure[]>;

export interface Output {
  /** A line of the report. */
  print(line: string): void;
  /** What is under way, for whoever waits. */
  note(line: string): void;
  /** Aborted when whoever waits does not want to any more: everything that was started ends. */
  readonly interrupted: AbortSignal;
}
