import { resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { type Address, wireBare } from '../../policies/address.ts';
import { Fault } from '../../policies/fault.ts';
import { type Cli, configOption, example, exit, jsonOption } from './cli.ts';
import type { Terminal } from './terminal.ts';
import { readUser } from './user-options.ts';

interface RemoveOptions {
  readonly config: string;
  readonly json?: boolean;
  readonly yes?: boolean;
}

/** `user remove`: a user, and all that is the user's. */
export function addUserRemove(user: Command, cli: Cli): void {
  user
    .command('remove')
    .description('Remove a user of the embedded home, with contacts, vCard and messages that wait.')
    .argument('<address>', 'the user', readUser)
    .addOption(configOption())
    .addOption(new Option('--yes', 'do not ask'))
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `${example('drawbridge user remove alice@contoso.example --yes')}

With --json: { "address", "removed" }. Exit code 1 where it was asked and not answered with yes.`,
    )
    .action(async (user: Address, options: RemoveOptions) => cli.exit(await remove(user, options, cli)));
}

async function remove(
  user: Address,
  { config, yes = false, json = false }: RemoveOptions,
  { terminal }: Cli,
): Promise<number> {
  const { Users } = await import('./user/users.ts');
  using users = await Users.open(resolve(config));
  users.requireKnown(user);
  const address = wireBare(user);
  const removed = yes || (await confirmed(address, terminal));
  if (removed) await users.remove(user);
  if (json) terminal.out(JSON.stringify({ address, removed }));
  else terminal.out(removed ? `removed  ${address}` : `kept  ${address}`);
  return removed ? exit.good : exit.found;
}

async function confirmed(address: string, { ask }: Terminal): Promise<boolean> {
  if (ask === undefined) {
    throw new Fault('wrong-use', 'There is no terminal to ask at whether it is meant.', {
      remedy: 'say so with --yes',
    });
  }
  return /^y(es)?$/i.test(
    (await ask({ text: `Remove ${address}, with contacts and messages that wait? [y/N] ` })).trim(),
  );
}
