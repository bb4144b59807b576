import { wireBare } from '../../../policies/address.ts';
import { asFault } from '../../../policies/fault.ts';
import { inParallel } from '../check/in-parallel.ts';
import { alreadyThere, type NewUser, readUserList, type Skipped } from './listed-users.ts';
import type { Users } from './users.ts';

/** Passwords hashed at a time: enough that the thread pool (4 by default) is never without work. */
const WIDTH = 8;
/** Users between two words about how far it is. */
const PACE = 250;

export interface Imported {
  readonly added: number;
  /** In the order of their lines. */
  readonly skipped: readonly Skipped[];
  /** Users that were not tried any more when it was interrupted. */
  readonly left: number;
}

export interface ImportOptions {
  readonly signal: AbortSignal;
  readonly progress: (done: number, of: number) => void;
}

/**
 * Adds the users of a list (CSV text), each wholly or not at all. Where the signal aborts, those under way are finished
 * and the rest is left: the same list may be imported again. Rejects with what the store says.
 */
export async function importUsers(text: string, users: Users, { signal, progress }: ImportOptions): Promise<Imported> {
  const list = readUserList(text, (user) => users.requireHome(user));
  const skipped: Skipped[] = [...list.skipped];
  let [added, left, done] = [0, 0, 0];
  await inParallel(list.users, WIDTH, async (one) => {
    if (signal.aborted) {
      left++;
      return;
    }
    const refusal = await tryToAdd(one, users);
    if (refusal === undefined) added++;
    else skipped.push(refusal);
    done++;
    if (done % PACE === 0) progress(done, list.users.length);
  });
  return { added, left, skipped: skipped.toSorted((a, b) => a.line - b.line) };
}

async function tryToAdd(one: NewUser, users: Users): Promise<Skipped | undefined> {
  // Before its password is hashed for nothing.
  if (users.has(one.user)) return alreadyThere(one);
  try {
    await users.add(one.user, one.password, one.name);
    return undefined;
  } catch (thrown) {
    const { code, message } = asFault(thrown);
    if (code === 'account-exists') return alreadyThere(one);
    if (code.startsWith('store-')) throw thrown;
    return { line: one.line, address: wireBare(one.user), reason: code, message };
  }
}
