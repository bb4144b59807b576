import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chown, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Accounts } from '../home/embedded/accounts.ts';
import { clientProof, proves, saltPassword } from '../home/embedded/scram-verifier.ts';
import { Store } from '../store/store.ts';
import { type Caller, calledBy, mainFile, type Outcome, Sandbox } from './cli.fixture.ts';

let sandbox: Sandbox;
beforeEach(async () => {
  sandbox = await Sandbox.create();
  await sandbox.edit('gateway.yaml', [[/xmpp:\n +link: component[\s\S]*?(?=\n\n)/, 'xmpp: { link: embedded }']]);
});
afterEach(() => sandbox.remove());

const user = (caller: Caller, ...args: readonly string[]): Promise<Outcome> =>
  calledBy(caller, 'user', ...args, '-c', sandbox.path('gateway.yaml'));

const add = (address: string, password = 'secret') => user({ input: password }, 'add', address, '--password-stdin');

function store(): Store {
  const file = sandbox.path('state/drawbridge.db');
  return Store.open({ file, fsync: 'checkpoint', bytes: 100_000_000, now: Date.now });
}

/** Whether somebody could sign in with this password. */
async function fits(local: string, password: string): Promise<boolean> {
  const open = store();
  try {
    const { verifiers } = new Accounts(open, { now: Date.now }).credentials(local, 'contoso.example');
    const verifier = verifiers['SHA-256'];
    const salted = await saltPassword('SHA-256', password, verifier.salt, verifier.iterations);
    return proves('SHA-256', verifier, 'n=…', clientProof('SHA-256', salted, 'n=…'));
  } finally {
    open.close();
  }
}

const addresses = async (): Promise<string[]> => {
  const { out } = await user({}, 'list', '--json');
  return JSON.parse(out).users.map(({ address }: { address: string }) => address);
};

describe('user add', () => {
  it('asks for the password twice, without showing it', async () => {
    const { code, out, err } = await user({ answers: ['pässword', 'pässword'] }, 'add', 'Alice@Contoso.example');
    expect([code, out]).toEqual([0, 'added  alice@contoso.example\n']);
    expect(err).toBe('Password for alice@contoso.example: \nOnce more: \n');
    expect(await fits('alice', 'pässword')).toBe(true);
    expect(await fits('alice', 'password')).toBe(false);
  });

  it('asks again where the two differ, and gives up in the end', async () => {
    const twice = await user({ answers: ['one', 'two', 'same', 'same'] }, 'add', 'alice@contoso.example');
    expect([twice.code, twice.err]).toEqual([0, expect.stringContaining('The two are not the same.')]);
    const never = await user({ answers: ['1', '2', '3', '4', '5', '6'] }, 'add', 'bob@contoso.example');
    expect([never.code, never.err]).toEqual([1, expect.stringContaining('error password-unusable')]);
    expect(await addresses()).toEqual(['alice@contoso.example']);
  });

  it.each([
    ['secret\n', 'secret'],
    ['secret\r\n', 'secret'],
    ['  two words ', '  two words '],
  ])('takes the password %j from standard input', async (input, password) => {
    await add('alice@contoso.example', input);
    expect(await fits('alice', password)).toBe(true);
  });

  it('makes a password up, and prints it once', async () => {
    const { out } = await user({}, 'add', 'alice@contoso.example', '--generate');
    const [, password] = /^added {2}alice@contoso\.example\npassword {2}(\S{5}-\S{5}-\S{5}-\S{5})\n$/.exec(out) ?? [];
    expect(await fits('alice', password ?? '')).toBe(true);
    const second = await user({}, 'add', 'bob@contoso.example', '--generate', '--json');
    expect(JSON.parse(second.out).password).not.toBe(password);
    expect(await readFile(sandbox.path('state/drawbridge.db'), 'latin1')).not.toContain(password);
  });

  it('gives the name as a vCard', async () => {
    await user(
      { input: 'secret' },
      'add',
      'alice@contoso.example',
      '--password-stdin',
      '--name',
      ' Alice\x01 <A> & Co ',
    );
    const open = store();
    const found = open.prepare('SELECT * FROM vcard').all();
    open.close();
    const content = '<vCard xmlns="vcard-temp"><FN>Alice &lt;A&gt; &amp; Co</FN></vCard>';
    expect(found).toEqual([expect.objectContaining({ user: 'alice@contoso.example', prefixes: '', content })]);
  });

  it.each([
    [['add'], 2, 'wrong-use: Either a user is named, or a list', 'drawbridge user add alice'],
    [['add', 'alice@contoso.example', '--csv', 'x'], 2, 'wrong-use: Either a user is named', 'drawbridge'],
    [['add', 'contoso.example'], 2, 'A user is written', 'See `drawbridge user add --help`'],
    [['add', 'alice@contoso.example'], 2, 'wrong-use: There is no terminal to ask', 'pipe it in'],
    [['add', 'alice@other.example'], 1, 'domain-not-home: other.example is not one', 'home domains: contoso.example'],
    [['add', 'alice@contoso.example', '--password-stdin'], 1, 'password-unusable: The password is empty', 'Choose'],
    [['add', '--csv', 'gone.csv'], 2, 'wrong-use: gone.csv cannot be read: ENOENT', 'check the path'],
  ])('%j is refused, with a remedy', async (args, exitCode, said, remedy) => {
    const { code, out, err } = await user({}, ...args);
    expect([code, out]).toEqual([exitCode, '']);
    expect(err).toContain(said);
    expect(err).toMatch(/\n {2}→ /);
    expect(err).toContain(remedy);
  });

  it('of a user who exists is refused before a password is asked for', async () => {
    await add('alice@contoso.example');
    const { code, err } = await user({ answers: [] }, 'add', 'alice@contoso.example');
    expect(code).toBe(1);
    expect(err).toBe(
      'error account-exists: alice@contoso.example exists already.\n  → to set another password: drawbridge user passwd\n',
    );
  });

  it('sends who has another server there', async () => {
    await sandbox.edit('gateway.yaml', [['{ link: embedded }', '{ link: component, secret: s }']]);
    const { code, err } = await user({}, 'list');
    expect(code).toBe(1);
    expect(err).toMatch(/^error users-elsewhere: .*127\.0\.0\.1:5347.*gateway\.yaml:\d+:\d+\)\n {2}→ make them there/);
    expect(await readdir(sandbox.path('state'))).not.toContain('drawbridge.db');
  });

  it.runIf(process.getuid?.() === 0)('leaves no file of another owner in the state folder', async () => {
    await chown(sandbox.path('state'), 12_345, 12_345);
    const { code, err } = await add('alice@contoso.example');
    expect(code).toBe(1);
    expect(err).toMatch(/^error store-unusable: .*state belongs to another user.*\n {2}→ .*sudo -u '#12345'/);
    expect(await readdir(sandbox.path('state'))).not.toContain('drawbridge.db');
  });

  it('keeps the store to the user who runs it', async () => {
    await add('alice@contoso.example');
    expect((await stat(sandbox.path('state/drawbridge.db'))).mode & 0o777).toBe(0o600);
  });
});

describe('user add --csv', () => {
  const list = async (text: string, ...args: readonly string[]) => {
    await sandbox.write('users.csv', text);
    const { code, out } = await user({}, 'add', '--csv', sandbox.path('users.csv'), ...args);
    return { code, lines: out.replaceAll(`${sandbox.dir}/`, '').trimEnd().split('\n') };
  };

  it('adds who can be added, and says of every other line why not', async () => {
    await add('bob@contoso.example', 'his own');
    const { code, lines } = await list(`alice@contoso.example,secret,Alice
bob@contoso.example,another
carol@contoso.example
"dave@contoso.example,secret
eve@other.example,secret
not an address,secret
alice@CONTOSO.example,again
frank@contoso.example,
gina@contoso.example,"with ""quotes"", and commas","G, the first"
`);
    expect(lines).toEqual([
      'skipped  users.csv:2  bob@contoso.example: It exists already, and is left as it is. [account-exists]',
      'skipped  users.csv:3  carol@contoso.example: There is no password. [password-unusable]',
      'skipped  users.csv:4  a quote is not closed on its line [wrong-use]',
      'skipped  users.csv:5  eve@other.example: other.example is not one of the home domains. [domain-not-home]',
      'skipped  users.csv:6  not an address: "not an address" is no address of a user. [address-malformed]',
      'skipped  users.csv:7  alice@CONTOSO.example: It is on line 1 already. [account-exists]',
      'skipped  users.csv:8  frank@contoso.example: The password is empty. [password-unusable]',
      'added 2, skipped 7',
    ]);
    expect(code).toBe(1);
    expect(await addresses()).toEqual(['alice', 'bob', 'gina'].map((name) => `${name}@contoso.example`));
    expect(await fits('gina', 'with "quotes", and commas')).toBe(true);
    expect(await fits('bob', 'his own')).toBe(true);
  });

  it('reads columns by their names, and leaves others alone', async () => {
    const { code, lines } = await list(
      'Name,Department,Password,Address\nAlice,Sales,secret,alice@contoso.example\r\n',
    );
    expect([code, lines]).toEqual([0, ['added 1, skipped 0']]);
    expect(await fits('alice', 'secret')).toBe(true);
  });

  it('says the same in JSON', async () => {
    const { code, lines } = await list('alice@contoso.example,secret\nbob,secret\n', '--json');
    expect(code).toBe(1);
    expect(JSON.parse(lines[0] ?? '')).toEqual({
      file: 'users.csv',
      added: 1,
      left: 0,
      skipped: [{ line: 2, address: 'bob', reason: 'address-malformed', message: '"bob" is no address of a user.' }],
    });
  });

  it('of a file that is no UTF-8 text adds nothing', async () => {
    const { code, lines } = await list('x');
    expect([code, lines.at(-1)]).toEqual([1, 'added 0, skipped 1']);
    await writeFile(sandbox.path('users.csv'), Buffer.from('alice@contoso.example,p\xe4ss', 'latin1'));
    const { code: wrong, err } = await user({}, 'add', '--csv', sandbox.path('users.csv'));
    expect([wrong, err]).toEqual([2, expect.stringContaining('cannot be read: it is not UTF-8 text')]);
  });
});

describe('user list, passwd and remove', () => {
  it('list says who there is', async () => {
    const none = await user({}, 'list');
    expect([none.code, none.out, none.err]).toEqual([0, '', expect.stringContaining('there is no user yet')]);
    await add('bob@contoso.example');
    await add('al@contoso.example');
    const today = new Date().toISOString().slice(0, 10);
    expect((await user({}, 'list')).out).toBe(
      `al@contoso.example   since ${today}  password of ${today}\nbob@contoso.example  since ${today}  password of ${today}\n`,
    );
  });

  it('passwd sets another password', async () => {
    await add('alice@contoso.example');
    const { code, out } = await user({ answers: ['other', 'other'] }, 'passwd', 'alice@contoso.example');
    expect([code, out]).toEqual([0, 'set the password of alice@contoso.example\n']);
    expect([await fits('alice', 'secret'), await fits('alice', 'other')]).toEqual([false, true]);
    const made = await user({}, 'passwd', 'alice@contoso.example', '--generate', '--json');
    expect(await fits('alice', JSON.parse(made.out).password)).toBe(true);
  });

  it('remove asks first', async () => {
    await add('alice@contoso.example');
    const kept = await user({ answers: [''] }, 'remove', 'alice@contoso.example');
    expect([kept.code, kept.out]).toEqual([1, 'kept  alice@contoso.example\n']);
    const removed = await user({ answers: ['y'] }, 'remove', 'alice@contoso.example');
    expect([removed.code, removed.out]).toEqual([0, 'removed  alice@contoso.example\n']);
    expect(removed.err).toMatch(/^Remove alice@contoso\.example, with contacts/);
    expect(await addresses()).toEqual([]);
  });

  it('remove with --yes asks nobody, and without somebody to ask it is wrongly used', async () => {
    await add('alice@contoso.example');
    expect((await user({}, 'remove', 'alice@contoso.example')).code).toBe(2);
    const { out } = await user({}, 'remove', 'alice@contoso.example', '--yes', '--json');
    expect(JSON.parse(out)).toEqual({ address: 'alice@contoso.example', removed: true });
  });

  it.each([['passwd'], ['remove']])('%s knows no stranger', async (command) => {
    const { code, err } = await user({ answers: [] }, command, 'alice@contoso.example');
    expect(code).toBe(1);
    expect(err).toMatch(/^error account-unknown: There is no user alice@contoso\.example\.\n {2}→ see who there is/);
  });

  it('Ctrl-C at a question ends the command, and nothing has changed', async () => {
    const { code, out } = await user({ answers: ['one'] }, 'add', 'alice@contoso.example');
    expect([code, out]).toEqual([130, '']);
    expect(await addresses()).toEqual([]);
  });
});

/** `script` (util-linux) gives a command a terminal of its own. */
const script = spawnSync('script', ['--version']).status === 0;

describe.runIf(script)('at a real terminal', () => {
  it('what is typed as password does not show', async () => {
    const command = `${process.execPath} ${mainFile} user add alice@contoso.example -c gateway.yaml`;
    const terminal = spawn('script', ['-qec', command, join(sandbox.dir, 'typescript')], { cwd: sandbox.dir });
    let shown = '';
    const answers = [/Password for alice@contoso\.example: $/, /Once more: $/];
    terminal.stdout.on('data', (text) => {
      shown += text;
      if (answers[0]?.test(shown)) {
        answers.shift();
        terminal.stdin.write('hush\x7fh!\r');
      }
    });
    expect(await once(terminal, 'close')).toEqual([0, null]);
    expect(shown.replaceAll('\r', '')).toBe(
      'Password for alice@contoso.example: \nOnce more: \nadded  alice@contoso.example\n',
    );
    expect(await fits('alice', 'hush!')).toBe(true);
  });
});
