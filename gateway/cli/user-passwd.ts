import { resolve } from 'node:path';
import type { Command } from 'commander';
import { type Address, wireBare } from '../../policies/address.ts';
import { type Cli, configOption, example, jsonOption } from './cli.ts';
import { generateOption, type PasswordOptions, passwordStdinOption, readUser } from './user-options.ts';

interface PasswdOptions extends PasswordOptions {
  readonly config: string;
  readonly json?: boolean;
}

/** `user passwd`: another password. */
export function addUserPasswd(user: Command, cli: Cli): void {
  user
    .command('passwd')
    .description('Set the password of a user of the embedded home.')
    .argument('<address>', 'the user', readUser)
    .addOption(configOption())
    .addOption(passwordStdinOption())
    .addOption(generateOption())
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `${example('drawbridge user passwd alice@contoso.example', 'drawbridge user passwd alice@contoso.example --generate')}

Without --password-stdin or --generate it is asked for, twice. With --json: { "address", "password" (if made up) }.`,
    )
    .action(async (user: Address, options: PasswdOptions) => passwd(user, options, cli));
}

async function passwd(user: Address, options: PasswdOptions, { terminal }: Cli): Promise<void> {
  const [{ Users }, { enterPassword }] = await Promise.all([
    import('./user/users.ts'),
    import('./user/password-entry.ts'),
  ]);
  using users = await Users.open(resolve(options.config));
  users.requireKnown(user);
  const address = wireBare(user);
  const password = await enterPassword(address, options, terminal);
  await users.setPassword(user, password);
  const made = options.generate === true ? { password } : {};
  if (options.json === true) terminal.out(JSON.stringify({ address, ...made }));
  else terminal.out(`set the password of ${address}${options.generate === true ? `\npassword  ${password}` : ''}`);
}
