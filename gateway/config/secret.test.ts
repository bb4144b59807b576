import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Secret, secret } from './secret.ts';

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'secret-'));
  await writeFile(join(dir, 'good'), 'from a file\r\n');
  await writeFile(join(dir, 'empty'), '\n');
  await writeFile(join(dir, 'large'), 'x'.repeat(5_000));
});
afterAll(async () => {
  await rm(dir, { recursive: true });
});

describe('a secret', () => {
  it.each([
    ['plain', 'as written', 'as written'],
    ['env', { env: 'NAME' }, 'from the environment'],
    ['file', { file: 'good' }, 'from a file'],
  ])('may be %s', async (source, written, value) => {
    const parsed = secret(dir).parse(written);
    expect(parsed.source).toBe(source);
    expect(await parsed.reveal({ NAME: 'from the environment' })).toBe(value);
  });

  it.each([
    [{ env: 'ABSENT' }, 'The environment variable ABSENT, which holds a secret, is not set.'],
    [{ env: 'EMPTY' }, 'The environment variable EMPTY, which holds a secret, is empty.'],
    [{ file: 'empty' }, 'is empty.'],
    [{ file: 'large' }, 'is longer than 4096 characters.'],
    [{ file: 'absent' }, 'cannot be read: ENOENT'],
  ])('%j rejects: %s', async (written, message) => {
    await expect(secret(dir).parse(written).reveal({ EMPTY: '' })).rejects.toMatchObject({
      code: 'config-invalid',
      message: expect.stringContaining(message),
    });
  });

  it.each(['', {}, { env: 'A B' }, { env: 'A', file: 'b' }, 5, null])('%j is none', (written) => {
    expect(secret(dir).safeParse(written).success).toBe(false);
  });

  it('shows itself nowhere', () => {
    const plain = new Secret('plain', 'hunter2');
    expect([inspect({ plain }, { showHidden: true }), JSON.stringify({ plain }), `${plain}`].join()).not.toContain(
      'hunter2',
    );
    expect(`${new Secret('env', 'NAME')}`).toBe('[secret of env NAME]');
  });
});
