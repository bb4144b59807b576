import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Fault } from '../../policies/fault.ts';
import { Store, type StoreOptions, type StoreSystem } from './store.ts';

/** A store in a folder of its own, with what it was faulted for; open it again and again. */
export class TestStore {
  readonly folder = mkdtempSync(join(tmpdir(), 'store-'));
  readonly file = join(this.folder, 'drawbridge.db');
  readonly faults: Fault[] = [];
  now = 1_700_000_000_000;
  #store: Store | undefined;

  /** Opens the store, closing the one before. */
  open(options: Partial<StoreOptions> = {}, system: StoreSystem = {}): Store {
    this.#store?.close();
    this.#store = Store.open(
      {
        file: this.file,
        fsync: 'checkpoint',
        bytes: 64 * 1024 * 1024,
        now: () => this.now,
        onFault: (fault) => this.faults.push(fault),
        ...options,
      },
      { busyMs: 0, ...system },
    );
    return this.#store;
  }

  remove(): void {
    this.#store?.close();
    rmSync(this.folder, { recursive: true });
  }
}

/** Resolves once everything written so far is kept. */
export function kept(store: Store): Promise<void> {
  return new Promise((resolve) => store.whenKept(resolve));
}
