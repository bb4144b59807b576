import type { ReasonCode } from '../../policies/reasons.ts';
import type { OutboxQueue } from './outbox-queue.ts';
import type { Stanza } from './stanza.ts';

export interface ReturnsOwner {
  /** Brings more of the queue into memory; false where nothing waits. */
  load(queue: OutboxQueue): boolean;
  undeliverable(stanza: Stanza, reason: ReasonCode): void;
}

/** Stanzas that come back in one turn: each is answered, kept and logged, and others have their turn in between. */
const TURN = 500;

/** Brings back to their senders what is refused and what has waited too long, from the front of its queue. */
export class OutboxReturns {
  readonly #owner: ReturnsOwner;
  readonly #turns = new Set<NodeJS.Immediate>();
  #expiring = false;

  constructor(owner: ReturnsOwner) {
    this.#owner = owner;
  }

  /** Brings back all that waits, for as long as the queue is refused; then calls `then`. */
  refuse(queue: OutboxQueue, reason: ReasonCode, then: () => void): void {
    if (queue.state !== 'refused') return;
    if (this.#bring(queue, reason, TURN, () => true) < TURN) then();
    else this.#nextTurn(() => this.refuse(queue, reason, then));
  }

  /** Brings back what was accepted by then, ms since the epoch, unless it is at it already. */
  expire(queues: Iterable<OutboxQueue>, acceptedBy: number): void {
    if (!this.#expiring) this.#expire(queues, acceptedBy);
  }

  /** Leaves what waits as it is. */
  close(): void {
    for (const turn of this.#turns) clearImmediate(turn);
  }

  #expire(queues: Iterable<OutboxQueue>, acceptedBy: number): void {
    let left = TURN;
    for (const queue of queues) {
      if (queue.oldest > acceptedBy) continue;
      const reason = queue.route.direction === 'inbound' ? 'home-unavailable' : 'queue-expired';
      left -= this.#bring(queue, reason, left, ({ kept }) => (kept?.since ?? 0) <= acceptedBy);
      if (left === 0) break;
    }
    this.#expiring = left === 0;
    if (this.#expiring) this.#nextTurn(() => this.#expire(queues, acceptedBy));
  }

  /** Brings back those that `unwanted` holds for, at most so many. Returns how many. */
  #bring(queue: OutboxQueue, reason: ReasonCode, most: number, unwanted: (stanza: Stanza) => boolean): number {
    for (let count = 0; count < most; count++) {
      if (queue.waiting.length === 0 && !this.#owner.load(queue)) return count;
      if (!unwanted(queue.waiting.first as Stanza)) return count;
      this.#owner.undeliverable(queue.shift() as Stanza, reason);
    }
    return most;
  }

  #nextTurn(then: () => void): void {
    const turn = setImmediate(() => {
      this.#turns.delete(turn);
      then();
    });
    this.#turns.add(turn);
  }
}
