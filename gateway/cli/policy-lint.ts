import { resolve } from 'node:path';
import type { Command } from 'commander';
import { type Cli, configOption, example, jsonOption } from './cli.ts';
import { type Observation, report } from './observation.ts';

interface LintOptions {
  readonly config: string;
  readonly json?: boolean;
}

/** `policy lint`: what is wrong with policies, and what is surely not meant. */
export function addPolicyLint(policy: Command, cli: Cli): void {
  policy
    .command('lint')
    .description('Look through policies for errors, rules that never decide, and what the configuration contradicts.')
    .argument('[folder]', 'a folder of policies; without it the one that the configuration names')
    .addOption(configOption())
    .addOption(jsonOption())
    .addHelpText('after', example('drawbridge policy lint -c gateway.yaml', 'drawbridge policy lint ./policies --json'))
    .action(async (folder: string | undefined, { config, json = false }: LintOptions) => {
      cli.exit(report(cli.terminal, await lint(folder, config), json));
    });
}

async function lint(folder: string | undefined, configFile: string): Promise<Observation[]> {
  const { checkPolicies } = await import('./check/policies.ts');
  if (folder !== undefined) return (await checkPolicies({ folder: resolve(folder) })).observations;
  const { requireConfig } = await import('../config/config.ts');
  const at = await requireConfig(resolve(configFile));
  return (await checkPolicies({ folder: at.config.policies, at })).observations;
}
