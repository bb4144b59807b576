import { randomInt } from 'node:crypto';
import { Fault } from '../../../policies/fault.ts';
import { preparePassword } from '../../home/embedded/password.ts';
import type { Terminal } from '../terminal.ts';
import type { PasswordOptions } from '../user-options.ts';

/** Letters and digits that nobody mistakes for one another: 20 of them are 99 bits. */
const ALPHABET = 'abcdefghjkmnpqrstuvwxyz23456789';
const GROUPS = 4;
const LETTERS = 5;
/** Most that is read of standard input, bytes: what is longer is no password, but the wrong file. */
const LONGEST = 4_096;
/** How often somebody may type two different passwords. */
const TRIES = 3;

/** A password for `whom`, made up, read or asked for. Rejects with Fault `password-unusable` or `wrong-use`. */
export async function enterPassword(whom: string, how: PasswordOptions, terminal: Terminal): Promise<string> {
  if (how.generate === true) return generated();
  if (how.passwordStdin === true) return piped(terminal.input);
  return asked(whom, terminal);
}

function generated(): string {
  const letter = (): string => ALPHABET[randomInt(ALPHABET.length)] ?? '';
  const group = (): string => Array.from({ length: LETTERS }, letter).join('');
  return Array.from({ length: GROUPS }, group).join('-');
}

/** The first line, and there must be no other. */
async function piped(input: Terminal['input']): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of input) {
    const data = Buffer.from(chunk);
    bytes += data.length;
    if (bytes > LONGEST) throw new Fault('password-unusable', `Standard input is longer than ${LONGEST} bytes.`);
    chunks.push(data);
  }
  return Buffer.concat(chunks)
    .toString()
    .replace(/\r?\n$/, '');
}

async function asked(whom: string, { ask, err }: Terminal): Promise<string> {
  if (ask === undefined) {
    throw new Fault('wrong-use', 'There is no terminal to ask for a password at.', {
      remedy: 'pipe it in with --password-stdin, or have one made with --generate',
    });
  }
  for (let left = TRIES; left > 0; left--) {
    const password = await ask({ text: `Password for ${whom}: `, hidden: true });
    // What cannot be used is told before it is typed again.
    preparePassword(password);
    if ((await ask({ text: 'Once more: ', hidden: true })) === password) return password;
    if (left > 1) err('The two are not the same.');
  }
  throw new Fault('password-unusable', 'The two passwords were not the same.', { remedy: 'try again' });
}
