import { type FSWatcher, watch } from 'node:fs';
import { basename, dirname } from 'node:path';

/** Editors and deployments write in several steps: what comes within so many ms is one change. */
const SETTLE_MS = 150;

/** What Kubernetes swaps under a mounted secret, whose files are links through it and never change themselves. */
const MOUNTED = '..data';
const YAML = /\.ya?ml$/i;

type Heeds = (name: string) => boolean;

/**
 * Calls back when files change. Their folders are watched, not they themselves: most tools replace a file rather than
 * write into it, and then a watch on the file would be blind. The folders' own names are watched where they stand, for
 * a deployment may replace a folder as a whole.
 */
export class FileWatch {
  readonly #folders: ReadonlyMap<string, Heeds>;
  readonly #changed: () => void;
  #watchers: FSWatcher[] = [];
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  /** `files`, and the YAML files of `folders`; those that do not exist yet are left out until {@link arm}. */
  constructor(
    { files = [], folders = [] }: { files?: readonly string[]; folders?: readonly string[] },
    changed: () => void,
  ) {
    const heeded = new Map<string, Heeds>();
    for (const [folder, members] of Map.groupBy(new Set(files), dirname)) {
      // Whatever else lies there, our own log perhaps, changes for other reasons.
      const names = new Set([...members.map((file) => basename(file)), MOUNTED]);
      heeded.set(folder, (name) => names.has(name));
    }
    for (const folder of folders) heeded.set(folder, (name) => YAML.test(name) || name === MOUNTED);
    this.#folders = heeded;
    this.#changed = changed;
    this.arm();
  }

  /** Begins anew, on what stands at these places now. */
  arm(): void {
    this.#disarm();
    if (this.#closed) return;
    for (const [folder, heeds] of this.#folders) {
      this.#watch(folder, heeds, () => this.#soon());
      this.#watch(
        dirname(folder),
        (name) => name === basename(folder),
        () => {
          this.arm();
          this.#soon();
        },
      );
    }
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#disarm();
  }

  #disarm(): void {
    for (const watcher of this.#watchers) watcher.close();
    this.#watchers = [];
  }

  #watch(folder: string, heeds: Heeds, seen: () => void): void {
    try {
      const watcher = watch(folder, { persistent: false }, (_event, name) => {
        if (name === null || heeds(name)) seen();
      });
      // A watch that breaks is blind: what it may have missed is read, and the next reading begins a new one.
      watcher.on('error', () => this.#soon());
      this.#watchers.push(watcher);
    } catch {
      // Not there (yet): its parent tells when it comes, and a reload by signal looks again.
    }
  }

  #soon(): void {
    clearTimeout(this.#timer);
    if (!this.#closed) this.#timer = setTimeout(this.#changed, SETTLE_MS);
  }
}
