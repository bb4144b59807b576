import { resolve } from 'node:path';
import type { Command } from 'commander';
import { type Cli, configOption, example, jsonOption } from './cli.ts';
import { type Observation, report } from './observation.ts';

interface CheckOptions {
  readonly config: string;
  readonly json?: boolean;
}

/** `check`: everything that can be known before the gateway runs. */
export function addCheck(program: Command, cli: Cli): void {
  program
    .command('check')
    .description('Check configuration, policies, certificates, DNS, listeners and the home link: one line a finding.')
    .addOption(configOption())
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `${example('drawbridge check -c gateway.yaml', 'drawbridge check --json | jq \'.findings[] | select(.severity == "error")\'')}

With --json: { "findings": [ { "severity", "area", "message", "place", "remedy" } ], "errors", "warnings" }.
Where a partner has a domain of its own, its component link is tried for a moment, unless the gateway is running.`,
    )
    .action(async ({ config, json = false }: CheckOptions) => {
      const { terminal } = cli;
      const observations = await observe(resolve(config), (what) => {
        if (terminal.watched && !json) terminal.err(`checking ${what} …`);
      });
      cli.exit(report(terminal, observations, json));
    });
}

async function observe(file: string, progress: (what: string) => void): Promise<Observation[]> {
  const { checkEverything } = await import('./check/everything.ts');
  return checkEverything(file, progress);
}
