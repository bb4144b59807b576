import { join } from 'node:path';
import type { Fault } from '../policies/fault.ts';
import type { BridgeOptions } from './bridge/bridge.ts';
import type { Config } from './config/config.ts';
import type { JournalLog } from './journal-log.ts';
import { DaemonLock } from './store/daemon-lock.ts';
import { OutboxTable } from './store/outbox-table.ts';
import { Store } from './store/store.ts';
import { StanzaReader } from './xmpp/stanza-reader.ts';

/** Bounds on what is read back from the store, far above what any configuration lets in: bytes, and levels or attributes. */
const KEPT_BYTES = 1024 * 1024 * 1024;
const KEPT_DEPTH = 1_000;

/**
 * Takes the state folder for this process alone, and opens the database in it. Throws a {@link Fault}. `onBroken` is told
 * where the disk may have lost what was written: then only a new start finds out what it holds.
 */
export function openStore(
  config: Config,
  journal: JournalLog,
  onBroken: (fault: Fault) => void,
): { lock: DaemonLock; store: Store } {
  const lock = DaemonLock.take(config.state);
  try {
    const store: Store = Store.open({
      file: join(config.state, 'drawbridge.db'),
      fsync: config.store.fsync,
      bytes: config.store.bytes,
      now: Date.now,
      onFault: (fault) => {
        journal.defect(fault);
        if (store.broken !== undefined) onBroken(store.broken);
      },
    });
    return { lock, store };
  } catch (error) {
    lock.close();
    throw error;
  }
}

/** Where the bridge keeps what it accepted, and how much of it. */
export function outboxOptions(config: Config, store: Store): BridgeOptions['outbox'] {
  const { messages, bytes, age } = config.outbox;
  const { depth, attributes } = config.edges.xmpp.limits;
  // Whatever was accepted once is read back, whatever the limits are today.
  const reader = new StanzaReader({
    elementBytes: KEPT_BYTES,
    depth: depth + KEPT_DEPTH,
    attributes: attributes + KEPT_DEPTH,
  });
  return {
    store: {
      table: new OutboxTable(store),
      write: (work, failed) => store.write(work, failed),
      whenKept: (then) => store.whenKept(then),
      read: (kept) => reader.read(kept),
    },
    limits: { messages, bytes, ageMs: age },
  };
}
