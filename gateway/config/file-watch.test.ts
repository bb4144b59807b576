import { renameSync, writeFileSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FileWatch } from './file-watch.ts';

/** A watch whose calls are counted; `next` waits for the one after those seen. */
class Watched {
  count = 0;
  #seen = 0;
  #wake: (() => void) | undefined;
  readonly watch: FileWatch;

  constructor(what: { files?: string[]; folders?: string[] }) {
    this.watch = new FileWatch(what, () => {
      this.count++;
      this.#wake?.();
    });
  }

  async next(): Promise<void> {
    if (this.count === this.#seen) await new Promise<void>((resolve) => (this.#wake = resolve));
    this.#seen++;
  }
}

describe('watched files', () => {
  let folder = '';
  let open: FileWatch[] = [];
  const watched = (what: { files?: string[]; folders?: string[] }): Watched => {
    const made = new Watched(what);
    open.push(made.watch);
    return made;
  };
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'drawbridge-watch-'));
  });
  afterEach(async () => {
    for (const watch of open) watch.close();
    open = [];
    await rm(folder, { recursive: true });
  });

  it('tell once that one was replaced, however many steps it took, and each time', async () => {
    const file = join(folder, 'tls.pem');
    await writeFile(file, 'old');
    const it = watched({ files: [file] });
    for (let round = 1; round <= 2; round++) {
      writeFileSync(join(folder, 'tls.pem.new'), 'new');
      renameSync(join(folder, 'tls.pem.new'), file);
      writeFileSync(file, 'newer');
      await it.next();
      expect(it.count).toBe(round);
    }
  });

  it('do not heed what else lies in their folder: a log there must not look like a new certificate', async () => {
    await writeFile(join(folder, 'tls.pem'), 'old');
    const it = watched({ files: [join(folder, 'tls.pem')] });
    const policies = watched({ folders: [folder] });
    await writeFile(join(folder, 'gateway.log'), 'line');
    await writeFile(join(folder, 'tls.pem'), 'new');
    await it.next();
    // The log came before what was told, so it would have been told by now.
    expect(it.count).toBe(1);
    expect(policies.count).toBe(0);
    await writeFile(join(folder, 'partner.yaml'), '');
    await policies.next();
    expect(policies.count).toBe(1);
    expect(it.count).toBe(1);
  });

  it('tell of a mounted secret, whose links lead through one that is swapped', async () => {
    for (const version of ['1', '2']) {
      await mkdir(join(folder, version));
      await writeFile(join(folder, version, 'tls.pem'), version);
    }
    await symlink('1', join(folder, '..data'));
    await symlink('..data/tls.pem', join(folder, 'tls.pem'));
    const it = watched({ files: [join(folder, 'tls.pem')] });
    await symlink('2', join(folder, '..data_tmp'));
    await rename(join(folder, '..data_tmp'), join(folder, '..data'));
    await it.next();
    expect(it.count).toBe(1);
  });

  it('tell of files that come and go in a whole folder', async () => {
    const it = watched({ folders: [folder, folder] });
    await writeFile(join(folder, 'new.yaml'), 'partner: p.example');
    await it.next();
    await rm(join(folder, 'new.yaml'));
    await it.next();
    expect(it.count).toBe(2);
  });

  it('tell of a folder that is replaced as a whole, and of what changes in the new one', async () => {
    const [current, next] = ['current', 'next'].map((name) => join(folder, name)) as [string, string];
    for (const each of [current, next]) await mkdir(each);
    const it = watched({ folders: [current] });
    await rename(current, join(folder, 'old'));
    await rename(next, current);
    await it.next();
    const before = it.count;
    await writeFile(join(current, 'new.yaml'), 'partner: p.example');
    await it.next();
    expect(it.count).toBe(before + 1);
  });

  it('may lie in folders that do not exist', async () => {
    const it = watched({ files: [join(folder, 'none', 'tls.pem'), join(folder, 'tls.pem')] });
    await writeFile(join(folder, 'tls.pem'), 'new');
    await it.next();
    expect(it.count).toBe(1);
  });

  it('tell nothing once the watch is closed, not even of what just changed', async () => {
    const it = watched({ files: [join(folder, 'tls.pem')] });
    const other = watched({ folders: [folder] });
    await writeFile(join(folder, 'tls.pem'), 'new');
    await writeFile(join(folder, 'partner.yaml'), 'new');
    it.watch.close();
    it.watch.close();
    // Another watch of the same folder, begun later, is told no sooner than this one would have been.
    await other.next();
    expect(it.count).toBe(0);
  });
});
