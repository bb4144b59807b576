import { asFault, type Fault } from '../../policies/fault.ts';
import type { Journal } from '../bridge/journal.ts';
import { backoffMs } from './backoff.ts';
import type { OutgoingStream } from './outgoing.ts';
import { PERMANENT } from './permanent.ts';
import type { Left } from './receipts.ts';
import type { Resumption, SuspendedSession } from './stream-management-initiator.ts';

export interface ResumptionsOwner {
  /** Opens a stream to take up what `stream` left. Rejects with a {@link Fault}. */
  connect(stream: OutgoingStream, resumption: Resumption): Promise<OutgoingStream>;
  /** What a broken stream has left is known. */
  settled(stream: OutgoingStream, left: Left): void;
  /** Another stream has taken its place. */
  replaced(next: OutgoingStream): void;
  /** An attempt failed; another follows after `retryMs`, where it is not undefined. */
  unreachable(stream: OutgoingStream, fault: Fault, retryMs: number | undefined): void;
  /** Uniform in [0, 1). */
  random(): number;
}

interface Broken {
  readonly stream: OutgoingStream;
  readonly session: SuspendedSession;
  /** ms since the epoch. */
  readonly until: number;
  failures: number;
  timer: NodeJS.Timeout | undefined;
}

/** Broken streams waiting at once, each with up to a full window of stanzas. */
const BROKEN = 500;
/** Resumptions in a row that get no stanza through: then it may be the first one that breaks every connection. */
const BARREN = 4;

/** Takes up the streams that broke (XEP-0198 §5): opens others in their place, for as long as the peers remember them. */
export class Resumptions {
  readonly #journal: Journal;
  readonly #owner: ResumptionsOwner;
  readonly #broken = new Set<Broken>();
  #closed = false;

  constructor(journal: Journal, owner: ResumptionsOwner) {
    this.#journal = journal;
    this.#owner = owner;
  }

  /** Stanzas whose fate is open. */
  get pending(): number {
    let total = 0;
    for (const { session } of this.#broken) total += session.suspension.pending;
    return total;
  }

  add(stream: OutgoingStream, session: SuspendedSession): void {
    const until = Date.now() + session.maxMs;
    const broken: Broken = { stream, session, until, failures: session.barren, timer: undefined };
    const full = this.#closed || this.#broken.size >= BROKEN;
    this.#broken.add(broken);
    if (full || session.barren >= BARREN) this.#giveUp(broken);
    else this.#wait(broken);
  }

  /** Gives up on all of them. */
  close(): void {
    this.#closed = true;
    for (const broken of this.#broken) this.#giveUp(broken);
  }

  /** Waits and tries; the time that is left, where it is too short for that, is waited for the peer's sake no longer. */
  #wait(broken: Broken, fault?: Fault): void {
    const wait = backoffMs(broken.failures++, this.#owner.random());
    const inTime = Date.now() + wait < broken.until;
    if (fault !== undefined) this.#owner.unreachable(broken.stream, fault, inTime ? wait : undefined);
    if (inTime) broken.timer = setTimeout(() => void this.#attempt(broken), wait);
    else this.#giveUp(broken);
  }

  async #attempt(broken: Broken): Promise<void> {
    const { stream, session } = broken;
    const settled = (left: Left, resumed: boolean): void => this.#settle(broken, left, resumed);
    try {
      const next = await this.#owner.connect(stream, { ...session, settled });
      // A peer that has no stream management any more has forgotten it all.
      this.#giveUp(broken);
      this.#owner.replaced(next);
    } catch (error) {
      if (!this.#broken.has(broken)) return;
      const fault = asFault(error);
      if (!PERMANENT.has(fault.code)) this.#wait(broken, fault);
      else {
        this.#owner.unreachable(stream, fault, undefined);
        this.#giveUp(broken);
      }
    }
  }

  #giveUp(broken: Broken): void {
    if (this.#broken.has(broken)) this.#settle(broken, broken.session.suspension.failed(), false);
  }

  #settle(broken: Broken, left: Left, resumed: boolean): void {
    if (!this.#broken.delete(broken)) return;
    clearTimeout(broken.timer);
    if (resumed) this.#journal.note('stream-resumed', broken.stream.facts());
    this.#owner.settled(broken.stream, left);
  }
}
