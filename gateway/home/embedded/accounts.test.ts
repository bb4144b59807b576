import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Store } from '../../store/store.ts';
import { Accounts } from './accounts.ts';
import { preparePassword } from './password.ts';
import { verifierOf } from './scram-verifier.ts';

let folder: string;
let store: Store;
let accounts: Accounts;
let now = 1000;

const open = (): Store =>
  Store.open({ file: join(folder, 'store.sqlite'), fsync: 'checkpoint', bytes: 2 ** 30, now: () => now });

beforeEach(() => {
  now = 1000;
  folder = mkdtempSync(join(tmpdir(), 'accounts-'));
  store = open();
  accounts = new Accounts(store, { now: () => now, iterations: 4096 });
});

afterEach(() => {
  store.close();
  rmSync(folder, { recursive: true });
});

describe('an account', () => {
  it('is found by any spelling it is added under, and listed by domain and name', async () => {
    await accounts.add('Juliet', 'Home.Example', 'wherefore');
    await accounts.add('abe', 'home.example', 'x');
    expect(accounts.list()).toEqual([
      { local: 'abe', domain: 'home.example', created: 1000, changed: 1000 },
      { local: 'juliet', domain: 'home.example', created: 1000, changed: 1000 },
    ]);
    expect(accounts.exists('juliet', 'home.example')).toBe(true);
    expect(accounts.exists('juliet', 'other.example')).toBe(false);
  });

  it('is kept as verifiers, and the password nowhere', async () => {
    await accounts.add('juliet', 'home.example', 'wherefore');
    const { changed, verifiers } = accounts.credentials('juliet', 'home.example');
    expect(changed).toBe(1000);
    for (const hash of ['SHA-1', 'SHA-256'] as const) {
      const { salt, iterations } = verifiers[hash];
      expect(iterations).toBe(4096);
      expect(verifiers[hash]).toEqual(await verifierOf(hash, 'wherefore', salt, iterations));
    }
    expect(verifiers['SHA-1'].salt).not.toEqual(verifiers['SHA-256'].salt);
    const row = JSON.stringify(store.prepare('SELECT * FROM account').all());
    expect(row).not.toContain('wherefore');
  });

  it('is added once', async () => {
    await accounts.add('juliet', 'home.example', 'one');
    await expect(accounts.add('JULIET', 'home.example', 'two')).rejects.toMatchObject({ code: 'account-exists' });
  });

  it('gets another password, and a time of change that differs even within one ms', async () => {
    await accounts.add('juliet', 'home.example', 'one');
    const before = accounts.credentials('juliet', 'home.example');
    await accounts.setPassword('juliet', 'home.example', 'two');
    const after = accounts.credentials('juliet', 'home.example');
    expect(after.verifiers['SHA-256']).not.toEqual(before.verifiers['SHA-256']);
    expect(after.changed).toBeGreaterThan(before.changed ?? Number.NaN);
  });

  it('is removed', async () => {
    await accounts.add('juliet', 'home.example', 'one');
    await accounts.remove('juliet', 'home.example');
    expect(accounts.exists('juliet', 'home.example')).toBe(false);
    await expect(accounts.remove('juliet', 'home.example')).rejects.toMatchObject({ code: 'account-unknown' });
    await expect(accounts.setPassword('juliet', 'home.example', 'x')).rejects.toMatchObject({
      code: 'account-unknown',
    });
  });

  it.each([
    ['', 'home.example'],
    ['a@b', 'home.example'],
    ['a/b', 'home.example'],
    ['a b', 'home.example'],
    ['a', 'x y'],
  ])('is not made of "%s" at "%s"', async (local, domain) => {
    await expect(accounts.add(local, domain, 'x')).rejects.toMatchObject({ code: 'address-malformed' });
  });
});

describe('an unknown user', () => {
  it('is shown the same salt at each look, also after a restart, and another than its neighbour', () => {
    const first = accounts.credentials('ghost', 'home.example');
    expect(first.changed).toBeUndefined();
    expect(accounts.credentials('ghost', 'home.example')).toEqual(first);
    expect(accounts.credentials('spook', 'home.example').verifiers).not.toEqual(first.verifiers);
    store.close();
    store = open();
    const later = new Accounts(store, { now: () => now, iterations: 4096 });
    expect(later.credentials('ghost', 'home.example')).toEqual(first);
  });

  it('looks like a known one', async () => {
    await accounts.add('juliet', 'home.example', 'wherefore');
    const known = accounts.credentials('juliet', 'home.example').verifiers['SHA-1'];
    const unknown = accounts.credentials('ghost', 'home.example').verifiers['SHA-1'];
    expect(unknown.salt.length).toBe(known.salt.length);
    expect(unknown.iterations).toBe(known.iterations);
  });
});

it('what another process changes is seen at once', async () => {
  const other = open();
  try {
    const before = accounts.version();
    await new Accounts(other, { now: () => now, iterations: 4096 }).add('juliet', 'home.example', 'wherefore');
    expect(accounts.exists('juliet', 'home.example')).toBe(true);
    expect(accounts.version()).not.toBe(before);
    expect(accounts.version()).toBe(accounts.version());
  } finally {
    other.close();
  }
});

describe('a password', () => {
  it.each([
    ['plain', 'plain'],
    ['a\u00a0b', 'a b'],
    ['e\u0301', 'é'],
    ['  inner  and outer ', '  inner  and outer '],
  ])('%j is compared as %j', (password, prepared) => {
    expect(preparePassword(password)).toBe(prepared);
  });

  it.each([[''], ['tab\there'], ['line\nend'], ['\ud800'], ['x'.repeat(1025)]])('%j cannot be used', (password) => {
    expect(() => preparePassword(password)).toThrow(expect.objectContaining({ code: 'password-unusable' }));
  });
});
