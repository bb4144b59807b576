import { type FSWatcher, watch } from 'node:fs';
import { dirname } from 'node:path';

/** Editors and deployments write in several steps: what comes within so many ms is one change. */
const SETTLE_MS = 150;

/**
 * Calls back when files change. Their folders are watched, not they themselves: most tools replace a file rather than
 * write into it, and then a watch on the file would be blind.
 */
export class FileWatch {
  readonly #watchers: FSWatcher[] = [];
  readonly #changed: () => void;
  #timer: NodeJS.Timeout | undefined;

  /** `files` and whole `folders`; those that do not exist yet are left out. */
  constructor({ files = [], folders = [] }: { files?: readonly string[]; folders?: readonly string[] }, changed: () => void) {
    this.#changed = changed;
    for (const folder of new Set([...folders, ...files.map((file) => dirname(file))])) this.#watch(folder);
  }

  close(): void {
    clearTimeout(this.#timer);
    for (const watcher of this.#watchers) watcher.close();
    this.#watchers.length = 0;
  }

  #watch(folder: string): void {
    try {
      const watcher = watch(folder, { persistent: false }, () => this.#soon());
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
