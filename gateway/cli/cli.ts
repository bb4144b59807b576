import { Option } from 'commander';
import type { Terminal } from './terminal.ts';

/** Exit codes of every command. */
export const exit = { good: 0, found: 1, wrongUse: 2, interrupted: 130 } as const;

/** What a command is given: where it speaks, and how it says how it went. */
export interface Cli {
  readonly terminal: Terminal;
  /** Sets the exit code (0 where nobody does). */
  exit(code: number): void;
}

/** `-c gateway.yaml`, the same for every command. */
export function configOption(): Option {
  return new Option('-c, --config <file>', 'the configuration').default('gateway.yaml');
}

/** `--json`, the same for every command. */
export function jsonOption(description = 'print the result as one JSON object'): Option {
  return new Option('--json', description);
}

/** What `--help` shows below the options. */
export function example(...lines: readonly string[]): string {
  return `\nExample${lines.length === 1 ? '' : 's'}:\n${lines.map((line) => `  $ ${line}`).join('\n')}`;
}
