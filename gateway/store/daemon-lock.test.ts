import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Child } from './child.fixture.ts';
import { DaemonLock } from './daemon-lock.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lock-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

it('a state folder is for one daemon at a time', () => {
  const lock = DaemonLock.take(folder);
  expect(statSync(join(folder, 'daemon.lock')).mode & 0o777).toBe(0o600);
  expect(() => DaemonLock.take(folder)).toThrow(
    expect.objectContaining({
      code: 'store-in-use',
      message: `Another Drawbridge runs with the state folder ${folder}.`,
      remedy: expect.stringContaining('Stop it'),
    }),
  );
  lock.close();
  lock.close();
  DaemonLock.take(folder).close();
});

it('a killed daemon leaves no lock behind', async () => {
  const child = new Child('lock', join(folder, 'drawbridge.db'));
  const refusals: unknown[] = [];
  await child.killAfter(1, () => {
    try {
      DaemonLock.take(folder);
    } catch (error) {
      refusals.push(error);
    }
  });
  expect(refusals).toEqual([expect.objectContaining({ code: 'store-in-use' })]);
  DaemonLock.take(folder).close();
});

it('a folder that is not there cannot be locked', () => {
  expect(() => DaemonLock.take(join(folder, 'none'))).toThrow(expect.objectContaining({ code: 'store-unusable' }));
});
