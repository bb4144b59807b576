import { type Address, parseAddress, wireBare } from '../../../policies/address.ts';
import { asFault, Fault } from '../../../policies/fault.ts';
import type { ReasonCode } from '../../../policies/reasons.ts';
import { preparePassword } from '../../home/embedded/password.ts';
import { readCsv } from './csv.ts';

/** A user to be. */
export interface NewUser {
  readonly line: number;
  readonly user: Address;
  readonly password: string;
  readonly name: string;
}

/** A line of a list that makes no user. */
export interface Skipped {
  readonly line: number;
  /** As written, '' where it cannot be told. */
  readonly address: string;
  readonly reason: ReasonCode;
  readonly message: string;
}

export interface UserList {
  readonly users: readonly NewUser[];
  readonly skipped: readonly Skipped[];
}

interface Columns {
  readonly address: number;
  readonly password: number;
  /** -1 where there is none. */
  readonly name: number;
}

const PLAIN: Columns = { address: 0, password: 1, name: 2 };

/**
 * Reads a list of users, `address,password[,name]` a line; a first line that names its columns may put them in any order
 * and have others. What is wrong with a line is no reason to leave out another.
 */
export function readUserList(text: string, requireHome: (user: Address) => void): UserList {
  const users: NewUser[] = [];
  const skipped: Skipped[] = [];
  const lines = new Map<string, number>();
  let columns: Columns | undefined;
  for (const one of readCsv(text)) {
    const { line } = one;
    if ('problem' in one) {
      skipped.push({ line, address: '', reason: 'wrong-use', message: one.problem });
      continue;
    }
    const header = columns === undefined ? headerOf(one.fields) : undefined;
    columns ??= header ?? PLAIN;
    if (header !== undefined) continue;
    const address = one.fields[columns.address]?.trim() ?? '';
    try {
      const user = readUser(address);
      requireHome(user);
      const before = lines.get(user.bare);
      if (before !== undefined) throw new Fault('account-exists', `It is on line ${before} already.`);
      const made = { line, user, password: passwordOf(one.fields, columns), name: nameOf(one.fields, columns) };
      lines.set(user.bare, line);
      users.push(made);
    } catch (thrown) {
      const { code, message } = asFault(thrown);
      skipped.push({ line, address, reason: code, message });
    }
  }
  return { users, skipped };
}

/** The columns that a first line names; undefined where it is a user's already. */
function headerOf(fields: readonly string[]): Columns | undefined {
  const names = fields.map((field) => field.trim().toLowerCase());
  const at = (...known: readonly string[]): number => names.findIndex((name) => known.includes(name));
  const columns = { address: at('address', 'jid', 'user'), password: at('password'), name: at('name') };
  return columns.address < 0 || columns.password < 0 ? undefined : columns;
}

function readUser(text: string): Address {
  const user = parseAddress(text);
  if (user !== undefined && user.local !== '' && user.resource === '') return user;
  throw new Fault('address-malformed', `${JSON.stringify(text)} is no address of a user.`);
}

/** As it stands, blanks too. */
function passwordOf(fields: readonly string[], { password: at }: Columns): string {
  const password = fields[at];
  if (password === undefined) throw new Fault('password-unusable', 'There is no password.');
  preparePassword(password);
  return password;
}

function nameOf(fields: readonly string[], { name: at }: Columns): string {
  return fields[at] ?? '';
}

/** `users.csv:3  alice@contoso.example: …` */
export function skippedText(file: string, { line, address, reason, message }: Skipped): string {
  return `${file}:${line}  ${address === '' ? '' : `${address}: `}${message} [${reason}]`;
}

/** A line whose user is there already. */
export function alreadyThere({ line, user }: NewUser): Skipped {
  return {
    line,
    address: wireBare(user),
    reason: 'account-exists',
    message: 'It exists already, and is left as it is.',
  };
}
