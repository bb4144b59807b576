import { type FSWatcher, watch } from 'node:fs';
import { basename, dirname } from 'node:path';

/** Editors and deployments write in several steps: what comes within so many ms is one change. */
const SETTLE_MS = 150;

/** What Kubernetes swaps under a mounted secret, whose files are links through it and never change themselves. */
const MOUNTED = '..data';
const YAML = /\.ya?ml$/i;

/**
 * Calls back when files change. Their folders are watched, not they themselves: most tools replace a file rather than
 * write into it, and then a watch on the file would be blind.
 */
export class FileWatch {
  readonly #watchers: FSWatcher[] = [];
  readonly #changed: () => void;
  #timer: NodeJS.Timeout | undefined;

  /** `files`, and the YAML files of `folders`; those that do not exist yet are left out. */
  constructor(
    { files = [], folders = [] }: { files?: readonly string[]; folders?: readonly string[] },
    changed: () => void,
  ) {
    this.#changed = changed;
    for (const folder of new Set(folders)) this.#watch(folder, (name) => YAML.test(name) || name === MOUNTED);
    for (const [folder, names] of Map.groupBy(new Set(files), dirname)) {
      // Whatever else lies there, our own log perhaps, changes for other reasons.
      const heeded = new Set([...names.map((name) => basename(name)), MOUNTED]);
      this.#watch(folder, (name) => heeded.has(name));
    }
  }

  close(): void {
    clearTimeout(this.#timer);
    for (const watcher of this.#watchers) watcher.close();
    this.#watchers.length = 0;
  }

  /** Heeds the files of a folder whose names are of interest. */
  #watch(folder: string, heeds: (name: string) => boolean): void {
    try {
      const watcher = watch(folder, { persistent: false }, (_event, name) => {
        if (name === null || heeds(name)) this.#soon();
      });
      watcher.on('error', () => watcher.close());
      this.#watchers.push(watcher);
    } catch {
      // Not there (yet): a reload by signal still reads it.
    }
  }

  #soon(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.#changed, SETTLE_MS);
  }
}
