import type { StoredLot } from '../store/outbox-table.ts';
import type { OutboxJournal, OutboxStore } from './outbox-journal.ts';
import { bytesOfLot, readLot } from './outbox-lot.ts';
import type { OutboxQueue } from './outbox-queue.ts';
import type { OutboxQueues } from './outbox-queues.ts';
import { mayRepeat, type Stanza } from './stanza.ts';

/**
 * Fills the queues with what the store holds from before, in order. Returns what is in doubt, which its sender is to be
 * told; it is held until it is settled.
 */
export function recover(store: OutboxStore, queues: OutboxQueues, journal: OutboxJournal): Stanza[] {
  for (const row of store.table.queues()) {
    queues.restore(row);
    journal.nextTicket = Math.max(journal.nextTicket, row.done + 1, row.sent + 1);
  }
  const doubtful: Stanza[] = [];
  for (const lot of store.table.lots()) {
    journal.nextTicket = Math.max(journal.nextTicket, lot.first + lot.count);
    const queue = queues.get(lot.queue);
    if (queue === undefined) continue;
    if (lot.first + lot.count - 1 <= queue.done) journal.touch(queue, { first: lot.first, settled: undefined });
    else doubtful.push(...takeUp(store, queue, lot));
  }
  return doubtful;
}

/** Takes up a row that is not settled, and returns what of it may have been sent and may not be sent again. */
function takeUp(store: OutboxStore, queue: OutboxQueue, lot: StoredLot): Stanza[] {
  const sent = queue.mark.kept;
  const next = Math.max(lot.first, queue.done + 1);
  queue.hold(lot, next);
  if (lot.first > sent && queue.spills) {
    queue.paged.push(lot);
    queue.count(lot.count, bytesOfLot(lot));
    return [];
  }
  const doubtful: Stanza[] = [];
  for (const [offset, stanza] of readLot(store, lot).entries()) {
    const ticket = lot.first + offset;
    if (ticket < next) continue;
    if (stanza === undefined) {
      queue.settle(ticket);
      continue;
    }
    queue.count(1, stanza.bytes.length);
    if (ticket <= sent && !mayRepeat(stanza)) doubtful.push(stanza);
    else queue.push(stanza);
  }
  return doubtful;
}
