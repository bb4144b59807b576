import { resolve } from 'node:path';
import type { Command } from 'commander';
import { wireBare } from '../../policies/address.ts';
import { type Cli, configOption, example, exit, jsonOption } from './cli.ts';

interface ListOptions {
  readonly config: string;
  readonly json?: boolean;
}

/** `user list`: who may sign in. */
export function addUserList(user: Command, cli: Cli): void {
  user
    .command('list')
    .description('List the users of the embedded home: since when, and when their password was last set.')
    .addOption(configOption())
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `${example('drawbridge user list', "drawbridge user list --json | jq -r '.users[].address'")}

With --json: { "users": [ { "address", "created", "passwordSet" } ] }, times as ISO 8601.`,
    )
    .action(async (options: ListOptions) => cli.exit(await list(options, cli)));
}

async function list({ config, json = false }: ListOptions, { terminal }: Cli): Promise<number> {
  const { Users } = await import('./user/users.ts');
  using users = await Users.open(resolve(config));
  const found = users.list().map(({ local, domain, created, changed }) => ({
    address: wireBare({ local, domain, resource: '', bare: '' }),
    created: new Date(created).toISOString(),
    passwordSet: new Date(changed).toISOString(),
  }));
  if (json) {
    terminal.out(JSON.stringify({ users: found }));
    return exit.good;
  }
  if (found.length === 0) terminal.err('there is no user yet: drawbridge user add alice@…');
  const width = found.reduce((most, { address }) => Math.max(most, address.length), 0);
  for (const { address, created, passwordSet } of found) {
    terminal.out(`${address.padEnd(width)}  since ${created.slice(0, 10)}  password of ${passwordSet.slice(0, 10)}`);
  }
  return exit.good;
}
