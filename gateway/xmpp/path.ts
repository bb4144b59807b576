import { Fault } from '../../policies/fault.ts';
import type { ReasonCode } from '../../policies/reasons.ts';
import type { Taken } from '../bridge/ports.ts';
import { mayRepeat, type Stanza } from '../bridge/stanza.ts';
import { CarrierSearch } from './carrier-search.ts';
import type { Left } from './receipts.ts';
import { StanzaQueue } from './stanza-queue.ts';

/** What carries the stanzas of a path: a stream we opened, or one of the peer's that is bidirectional. */
export interface Carrier {
  readonly open: boolean;
  readonly full: boolean;
  /** Stanzas sent and not confirmed, where the carrier tells each by itself. */
  readonly unconfirmed?: number;
  send(stanza: Stanza): void;
}

export interface PathOwner {
  /** Finds or makes a stream for the pair. Rejects with a {@link Fault}. */
  carrier(): Promise<Carrier>;
  undeliverable(stanza: Stanza, reason: ReasonCode): void;
  /** These were taken and not passed on: whoever keeps them brings them again when there is room. */
  returned(stanzas: readonly Stanza[]): void;
  /** More is taken again; or the stream has gone, and whoever waited need wait no longer. */
  room(): void;
  /** No stream will stand soon: what is kept elsewhere for this path is not to wait for one. */
  refused(reason: ReasonCode): void;
  /** The attempt failed; for the log, once per attempt. */
  unreachable(fault: Fault, retryMs: number | undefined): void;
  /** The path now runs over this carrier. */
  attached(path: OutboundPath, carrier: Carrier): void;
  /** Uniform in [0, 1). */
  random(): number;
}

export interface PathLimits {
  readonly stanzas: number;
  readonly bytes: number;
  readonly waitMs: number;
  /** Whether the path keeps a stream also while it has nothing to send. */
  readonly persistent?: boolean;
  /** What a stanza is told that waited too long. */
  readonly expired?: ReasonCode;
}

/** How long a stream that carried nothing must have stood for its end to count as the first failure, ms. */
const STEADY_MS = 2_000;

/** Whoever fills the queue should pause once one part in this many of it is taken. */
const HIGH_MARK = 2;
/** It goes on below one part in this many: far enough apart that it does not stop and go with every stanza. */
const LOW_MARK = 4;
/** Stanzas that came one after another expire together, this many ms apart at least: each look costs a timer. */
const EXPIRY_STEP_MS = 50;

/**
 * The one ordered way from a home domain to a partner domain (RFC 6120 §10.1); streams come and go below it. Stanzas
 * wait here while there is no stream, or while the stream is slow, bounded in number, bytes and time. Those that are
 * kept elsewhere wait there, until there is a stream that takes them.
 */
export class OutboundPath {
  readonly home: string;
  readonly partner: string;
  readonly #owner: PathOwner;
  readonly #limits: PathLimits;
  readonly #queue = new StanzaQueue();
  readonly #search: CarrierSearch<Carrier>;
  #carrier: Carrier | undefined;
  /** Stanzas sent over the carrier in use. */
  #sent = 0;
  /** Stanzas still to be sent one by one, to find the one over which carriers break. */
  #cautious = 0;
  #attachedAt = 0;
  #expiry: NodeJS.Timeout | undefined;
  #starved = false;
  /** Whether kept stanzas wait elsewhere for a stream. */
  #awaited = false;
  #waning = false;
  #persistent: boolean;
  #closed = false;
  #closedFor: ReasonCode = 'shutting-down';

  constructor(home: string, partner: string, owner: PathOwner, limits: PathLimits) {
    this.home = home;
    this.partner = partner;
    this.#owner = owner;
    this.#limits = limits;
    this.#persistent = limits.persistent === true;
    this.#search = new CarrierSearch({
      carrier: () => owner.carrier(),
      wanted: () => this.#carrier === undefined && this.#wanted,
      found: (carrier) => this.#settle(carrier),
      failed: (fault) => this.#failed(fault),
      random: () => owner.random(),
    });
  }

  /** Whether it may be forgotten. */
  get idle(): boolean {
    return this.quiet && this.#carrier === undefined && this.#search.idle;
  }

  /** Whether nothing waits for its stream, be it here or elsewhere. */
  get quiet(): boolean {
    return this.#queue.length === 0 && !this.#awaited;
  }

  get queued(): number {
    return this.#queue.length;
  }

  /** Whether the next stanza to wait comes back. */
  get full(): boolean {
    return this.#queue.length >= this.#limits.stanzas || this.#queue.bytes >= this.#limits.bytes;
  }

  /** Keeps a stream from now on, also while there is nothing to send; or does so no longer. */
  persist(persistent: boolean): void {
    this.#persistent = persistent;
    this.#search.seek();
  }

  /** Tries again without waiting: what stood in the way may have been mended. */
  forgive(): void {
    this.#search.forgive();
  }

  /** Past the bounds of the queue a stanza comes back; one that is kept elsewhere is not queued without a stream. */
  send(stanza: Stanza): Taken {
    const carrier = this.#carrier;
    if (carrier !== undefined && !this.#closed && this.#queue.length === 0 && this.#takes(carrier)) {
      this.#send(carrier, stanza);
      if (stanza.kept === undefined || !carrier.full) return 'more';
      this.#starved = true;
      return 'enough';
    }
    const refusal = this.#closed ? this.#closedFor : carrier === undefined ? this.#search.refusal : undefined;
    if (refusal !== undefined) return this.#turnAway(stanza, refusal);
    if (stanza.kept !== undefined && !carrier?.open) {
      this.#awaited = true;
      this.#search.seek();
      return 'none';
    }
    const full =
      this.#queue.length >= this.#limits.stanzas || this.#queue.bytes + stanza.bytes.length > this.#limits.bytes;
    if (full && stanza.kept === undefined) this.#owner.undeliverable(stanza, 'queue-full');
    else {
      const deadline = stanza.kept === undefined ? Date.now() + this.#limits.waitMs : Number.POSITIVE_INFINITY;
      this.#queue.push(stanza, deadline);
      this.pump();
    }
    if (stanza.kept === undefined ? this.#below(HIGH_MARK) : this.#clear) return 'more';
    this.#starved = true;
    return 'enough';
  }

  /** Moves what waits onto the stream, as far as it takes it. */
  pump(): void {
    const carrier = this.#carrier;
    if (carrier === undefined) this.#search.seek();
    // What a closing stream leaves unconfirmed goes before all that waits: nothing moves until `lost` brings it.
    else if (carrier.open) {
      while (this.#queue.length > 0 && this.#takes(carrier)) {
        if (this.#cautious > 0) this.#cautious--;
        this.#send(carrier, this.#queue.shift() as Stanza);
      }
      this.#relieve();
    }
    this.#watchExpiry();
  }

  /** Takes a stream that came up by itself: the peer's bidirectional one. */
  adopt(carrier: Carrier): void {
    if (this.#carrier !== undefined || this.#closed || !carrier.open) return;
    this.#settle(carrier);
  }

  /**
   * The stream is gone. What it certainly did not pass on goes first when the next one stands; what is in doubt too,
   * where it may be repeated, and else comes back to its sender.
   */
  lost(carrier: Carrier, { doubtful, unsent }: Left): void {
    const inUse = this.#carrier === carrier;
    if (inUse) this.#carrier = undefined;
    const carried = this.#sent > doubtful.length + unsent.length;
    if (inUse && (carried || Date.now() - this.#attachedAt > STEADY_MS)) this.#search.forgive();
    const alone = this.#cautious > 0 && doubtful.length === 1;
    const [again, back] = partition(doubtful, mayRepeat);
    const deadline = Date.now() + this.#limits.waitMs;
    this.#queue.putBack(unsent, deadline);
    const poison = this.#queue.restore(again, deadline, alone);
    if (this.#queue.suspicious && carrier.unconfirmed !== undefined) this.#cautious = again.length + 1;
    for (const stanza of back) this.#owner.undeliverable(stanza, 'delivery-doubtful');
    if (poison) this.#owner.undeliverable(poison, 'stream-error');
    if (this.#closed) this.#bounce(this.#closedFor);
    else if (this.#carrier !== undefined) this.pump();
    else this.#seekAgain(inUse);
  }

  /** Whether this stream carries the path now. */
  uses(carrier: Carrier): boolean {
    return this.#carrier === carrier;
  }

  /** The gateway is about to stop: where there is no stream, the path closes; where one ends, another follows. */
  wane(): void {
    if (this.#carrier === undefined) this.close();
    else this.#waning = true;
  }

  /** Takes nothing more; what waits comes back to its senders, but for what is kept until the gateway runs again. */
  close(reason: ReasonCode = 'shutting-down'): void {
    this.#closed = true;
    this.#closedFor = reason;
    this.#search.stop();
    if (this.#carrier?.open) this.pump();
    this.#bounce(reason);
    if (reason !== 'shutting-down') this.#owner.refused(reason);
  }

  /** Whether less than one `part`-th of the queue is taken, in stanzas and in bytes. */
  #below(part: number): boolean {
    return this.#queue.length * part < this.#limits.stanzas && this.#queue.bytes * part < this.#limits.bytes;
  }

  #send(carrier: Carrier, stanza: Stanza): void {
    this.#sent++;
    carrier.send(stanza);
  }

  #takes(carrier: Carrier): boolean {
    return carrier.open && !carrier.full && !(this.#cautious > 0 && (carrier.unconfirmed ?? 0) > 0);
  }

  get #wanted(): boolean {
    return (this.#queue.length > 0 || this.#awaited || this.#persistent || this.#waning) && !this.#closed;
  }

  /** Whether nothing waits, and the stream takes more. */
  get #clear(): boolean {
    return this.#queue.length === 0 && this.#carrier !== undefined && this.#takes(this.#carrier);
  }

  /** No stream stands any more: kept stanzas wait where they are kept, and whoever waits for this one need not. */
  #seekAgain(inUse: boolean): void {
    this.#giveBack();
    this.#watchExpiry();
    if (inUse && this.#wanted) this.#search.later(this.#waning ? 0 : undefined);
    else this.#search.seek();
    if (!this.#starved) return;
    this.#starved = !this.#below(HIGH_MARK);
    this.#owner.room();
  }

  #settle(carrier: Carrier): void {
    if (this.#carrier !== undefined) return;
    if (!carrier.open) {
      this.#failed(new Fault('stream-error', 'The stream ended as soon as it stood.'));
      return;
    }
    this.#search.over();
    this.#carrier = carrier;
    this.#sent = 0;
    this.#attachedAt = Date.now();
    this.#owner.attached(this, carrier);
    this.pump();
    if (!this.#awaited) return;
    this.#awaited = false;
    this.#owner.room();
  }

  #failed(fault: Fault): void {
    if (this.#closed || this.#carrier !== undefined) return;
    const { permanent, waitMs } = this.#search.inVain(fault, this.#persistent);
    this.#owner.unreachable(fault, permanent ? undefined : waitMs);
    if (this.#waning) this.close();
    else if (permanent) this.#refuse(fault.code);
  }

  #refuse(reason: ReasonCode): void {
    this.#awaited = false;
    this.#bounce(reason);
    this.#owner.refused(reason);
  }

  #turnAway(stanza: Stanza, reason: ReasonCode): Taken {
    if (stanza.kept !== undefined && reason === 'shutting-down') return 'none';
    this.#owner.undeliverable(stanza, reason);
    return 'more';
  }

  /** Kept stanzas wait where they are kept, and not here, while no stream stands. */
  #giveBack(): void {
    const kept = this.#queue.takeKept();
    if (kept.length === 0) return;
    this.#awaited = !this.#closed;
    this.#owner.returned(kept);
  }

  #watchExpiry(): void {
    const { nextDeadline } = this.#queue;
    // What is kept elsewhere grows old there.
    if (this.#expiry !== undefined || nextDeadline === Number.POSITIVE_INFINITY) return;
    this.#expiry = setTimeout(
      () => {
        this.#expiry = undefined;
        for (const stanza of this.#queue.expire(Date.now())) this.#expire(stanza);
        this.pump();
        this.#relieve();
      },
      Math.max(EXPIRY_STEP_MS, nextDeadline - Date.now()),
    );
  }

  /** Tells the sender once there is room again, and forgets the clock of an empty queue. */
  #relieve(): void {
    if (this.#queue.length === 0) {
      clearTimeout(this.#expiry);
      this.#expiry = undefined;
    }
    if (this.#starved && this.#below(LOW_MARK)) {
      this.#starved = false;
      this.#owner.room();
    }
  }

  #expire(stanza: Stanza): void {
    this.#owner.undeliverable(stanza, this.#limits.expired ?? 'queue-expired');
  }

  #bounce(reason: ReasonCode): void {
    clearTimeout(this.#expiry);
    this.#expiry = undefined;
    if (reason === 'shutting-down') this.#giveBack();
    for (const stanza of this.#queue.drain()) this.#owner.undeliverable(stanza, reason);
    if (this.#starved) {
      this.#starved = false;
      this.#owner.room();
    }
  }
}

/** Those for which it holds and those for which it does not, each in order. */
function partition(stanzas: readonly Stanza[], holds: (stanza: Stanza) => boolean): [Stanza[], Stanza[]] {
  return [stanzas.filter(holds), stanzas.filter((stanza) => !holds(stanza))];
}
