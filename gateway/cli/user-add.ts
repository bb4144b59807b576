import { open } from 'node:fs/promises';
import { resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { type Address, wireBare } from '../../policies/address.ts';
import { Fault, systemText } from '../../policies/fault.ts';
import { type Cli, configOption, example, exit, jsonOption } from './cli.ts';
import { interruptible } from './interrupt.ts';
import { pathText } from './place-text.ts';
import { generateOption, type PasswordOptions, passwordStdinOption, readUser } from './user-options.ts';

/** Bytes of a list: some hundred thousand users. */
const FILE_BYTES = 64 * 1024 * 1024;

interface AddOptions extends PasswordOptions {
  readonly config: string;
  readonly json?: boolean;
  readonly name?: string;
  readonly csv?: string;
}

/** `user add`: a user of the embedded home, or a list of them. */
export function addUserAdd(user: Command, cli: Cli): void {
  user
    .command('add')
    .description('Add a user to the embedded home, or with --csv a list of them.')
    .argument('[address]', 'the user, such as alice@contoso.example', readUser)
    .addOption(configOption())
    .addOption(passwordStdinOption())
    .addOption(generateOption())
    .addOption(new Option('--name <name>', 'the name that others see, until the user sets one'))
    .addOption(
      new Option('--csv <file>', 'a file of lines `address,password[,name]`').conflicts([
        'passwordStdin',
        'generate',
        'name',
      ]),
    )
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `${example(
        'drawbridge user add alice@contoso.example',
        'drawbridge user add bob@contoso.example --generate --name "Bob B."',
        'drawbridge user add --csv users.csv',
      )}

Without --password-stdin or --generate the password is asked for, twice. The gateway may run meanwhile.
A list may begin with a line that names its columns (address, password, name; others are left alone), and fields may be
quoted ("…", with "" for a quote). Faulty lines and users who exist are skipped and told; then the exit code is 1.
With --json: { "address", "password" (if made up) }, of a list { "file", "added", "skipped": [ { "line", "address",
"reason", "message" } ], "left" }.`,
    )
    .action(async (address: Address | undefined, options: AddOptions) => {
      if ((address === undefined) === (options.csv === undefined)) {
        const remedy = 'drawbridge user add alice@contoso.example, or drawbridge user add --csv users.csv';
        throw new Fault('wrong-use', 'Either a user is named, or a list with --csv.', { remedy });
      }
      if (address !== undefined) await addOne(address, options, cli);
      else cli.exit(await addList(options.csv ?? '', options, cli));
    });
}

async function addOne(user: Address, options: AddOptions, { terminal }: Cli): Promise<void> {
  const [{ Users }, { enterPassword }] = await Promise.all([
    import('./user/users.ts'),
    import('./user/password-entry.ts'),
  ]);
  using users = await Users.open(resolve(options.config));
  users.requireNew(user);
  const address = wireBare(user);
  const password = await enterPassword(address, options, terminal);
  await users.add(user, password, options.name);
  const made = options.generate === true ? { password } : {};
  if (options.json === true) terminal.out(JSON.stringify({ address, ...made }));
  else terminal.out(`added  ${address}${options.generate === true ? `\npassword  ${password}` : ''}`);
}

async function addList(file: string, options: AddOptions, { terminal }: Cli): Promise<number> {
  const [{ Users }, { importUsers }, { skippedText }] = await Promise.all([
    import('./user/users.ts'),
    import('./user/import.ts'),
    import('./user/listed-users.ts'),
  ]);
  const json = options.json === true;
  using users = await Users.open(resolve(options.config));
  const text = await textOf(file);
  using interrupt = interruptible();
  const { signal } = interrupt;
  const progress = (done: number, of: number): void => {
    if (terminal.watched && !json) terminal.err(`${done} of ${of} …`);
  };
  const { added, skipped, left } = await importUsers(text, users, { signal, progress });
  if (json) terminal.out(JSON.stringify({ file: resolve(file), added, skipped, left }));
  else {
    for (const one of skipped) terminal.out(`skipped  ${skippedText(pathText(resolve(file)), one)}`);
    const unfinished = left === 0 ? '' : `, interrupted with ${left} left: run it again`;
    terminal.out(`added ${added}, skipped ${skipped.length}${unfinished}`);
  }
  if (signal.aborted) return exit.interrupted;
  return skipped.length > 0 ? exit.found : exit.good;
}

async function textOf(file: string): Promise<string> {
  try {
    await using handle = await open(file);
    if ((await handle.stat()).size > FILE_BYTES) throw new RangeError(`it is larger than ${FILE_BYTES} bytes`);
    return new TextDecoder('utf-8', { fatal: true }).decode(await handle.readFile());
  } catch (cause) {
    const problem = cause instanceof TypeError ? 'it is not UTF-8 text' : systemText(cause);
    const remedy = 'check the path, who may read it, and that it is saved as UTF-8';
    throw new Fault('wrong-use', `${file} cannot be read: ${problem}`, { remedy, cause });
  }
}
