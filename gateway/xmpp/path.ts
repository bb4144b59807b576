import { codeOf, Fault } from '../../policies/fault.ts';
import type { ReasonCode } from '../../policies/reasons.ts';
import type { Taken } from '../bridge/ports.ts';
import { mayRepeat, type Stanza } from '../bridge/stanza.ts';
import { backoffMs } from './backoff.ts';
import { PERMANENT } from './permanent.ts';
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

/** How long a stream must have stood for its end to count as the first failure, ms: one that ends at once is no success. */
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
  #carrier: Carrier | undefined;
  #seeking = false;
  #failures = 0;
  /** Stanzas still to be sent one by one, to find the one over which carriers break. */
  #cautious = 0;
  #attachedAt = 0;
  #retry: NodeJS.Timeout | undefined;
  #expiry: NodeJS.Timeout | undefined;
  #starved = false;
  /** Whether kept stanzas wait elsewhere for a stream. */
  #awaited = false;
  #waning = false;
  /** Why nothing is sent for a while: a failure that another try at once would only repeat. */
  #refusal: { readonly code: ReasonCode; readonly until: number } | undefined;
  #persistent: boolean;
  #closed = false;
  #closedFor: ReasonCode = 'shutting-down';

  constructor(home: string, partner: string, owner: PathOwner, limits: PathLimits) {
    this.home = home;
    this.partner = partner;
    this.#owner = owner;
    this.#limits = limits;
    this.#persistent = limits.persistent === true;
  }

  /** Whether it may be forgotten. While it refuses it may not: what it learnt would be learnt again at once. */
  get idle(): boolean {
    const waits = this.#awaited || this.#seeking || this.#retry !== undefined || this.#refuses !== undefined;
    return this.#queue.length === 0 && !waits && this.#carrier === undefined;
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
    this.#seek();
  }

  /** Tries again without waiting: what stood in the way may have been mended. */
  forgive(): void {
    this.#refusal = undefined;
    this.#failures = 0;
  }

  /** Past the bounds of the queue a stanza comes back; one that is kept elsewhere is not queued without a stream. */
  send(stanza: Stanza): Taken {
    const carrier = this.#carrier;
    if (carrier !== undefined && !this.#closed && this.#queue.length === 0 && this.#takes(carrier)) {
      carrier.send(stanza);
      if (stanza.kept === undefined || !carrier.full) return 'more';
      this.#starved = true;
      return 'enough';
    }
    const refusal = this.#closed ? this.#closedFor : carrier === undefined ? this.#refuses : undefined;
    if (refusal !== undefined) return this.#turnAway(stanza, refusal);
    if (stanza.kept !== undefined && !carrier?.open) {
      this.#awaited = true;
      this.#seek();
      return 'none';
    }
    const full =
      this.#queue.length >= this.#limits.stanzas || this.#queue.bytes + stanza.bytes.length > this.#limits.bytes;
    if (full && stanza.kept === undefined) this.#owner.undeliverable(stanza, 'queue-full');
    else {
      const deadline = stanza.kept === undefined ? Date.now() + this.#limits.waitMs : Number.POSITIVE_INFINITY;
      this.#queue.push(stanza, deadline);
      this.#watchExpiry();
      this.pump();
    }
    if (stanza.kept === undefined && this.#below(HIGH_MARK)) return 'more';
    this.#starved = true;
    return 'enough';
  }

  /** Moves what waits onto the stream, as far as it takes it. */
  pump(): void {
    const carrier = this.#carrier;
    if (carrier === undefined) this.#seek();
    // What a closing stream leaves unconfirmed goes before all that waits: nothing moves until `lost` brings it.
    else if (carrier.open) {
      while (this.#queue.length > 0 && this.#takes(carrier)) {
        if (this.#cautious > 0) this.#cautious--;
        carrier.send(this.#queue.shift() as Stanza);
      }
      this.#relieve();
    }
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
    if (inUse && Date.now() - this.#attachedAt > STEADY_MS) this.#failures = 0;
    const alone = this.#cautious > 0 && doubtful.length === 1;
    const [again, back] = partition(doubtful, mayRepeat);
    const deadline = Date.now() + this.#limits.waitMs;
    this.#queue.putBack(unsent, deadline);
    const poison = this.#queue.restore(again, deadline, alone);
    if (this.#queue.suspicious && carrier.unconfirmed !== undefined) this.#cautious = again.length + 1;
    for (const stanza of back) this.#owner.undeliverable(stanza, 'delivery-doubtful');
    if (poison) this.#owner.undeliverable(poison, 'stream-error');
    this.#giveBack();
    if (this.#closed) this.#bounce(this.#closedFor);
    else if (this.#wanted) {
      this.#watchExpiry();
      if (inUse) this.#seekLater(this.#waning ? 0 : backoffMs(this.#failures++, this.#owner.random()));
      else this.pump();
    }
    if (this.#starved && this.#carrier === undefined) {
      this.#starved = !this.#below(HIGH_MARK);
      this.#owner.room();
    }
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
    clearTimeout(this.#retry);
    this.#retry = undefined;
    if (this.#carrier?.open) this.pump();
    this.#bounce(reason);
    if (reason !== 'shutting-down') this.#owner.refused(reason);
  }

  /** Whether less than one `part`-th of the queue is taken, in stanzas and in bytes. */
  #below(part: number): boolean {
    return this.#queue.length * part < this.#limits.stanzas && this.#queue.bytes * part < this.#limits.bytes;
  }

  get #refuses(): ReasonCode | undefined {
    if (this.#refusal !== undefined && this.#refusal.until <= Date.now()) this.#refusal = undefined;
    return this.#refusal?.code;
  }

  #takes(carrier: Carrier): boolean {
    return carrier.open && !carrier.full && !(this.#cautious > 0 && (carrier.unconfirmed ?? 0) > 0);
  }

  get #wanted(): boolean {
    return (this.#queue.length > 0 || this.#awaited || this.#persistent || this.#waning) && !this.#closed;
  }

  #seek(): void {
    if (this.#carrier !== undefined || this.#seeking || this.#retry !== undefined || !this.#wanted) return;
    this.#seeking = true;
    this.#owner.carrier().then(
      (carrier) => {
        this.#seeking = false;
        this.#settle(carrier);
      },
      (fault: Fault) => {
        this.#seeking = false;
        this.#failed(fault);
      },
    );
  }

  #settle(carrier: Carrier): void {
    if (this.#carrier !== undefined) return;
    if (!carrier.open) {
      this.#failed(new Fault('stream-error', 'The stream ended as soon as it stood.'));
      return;
    }
    clearTimeout(this.#retry);
    this.#retry = undefined;
    this.#carrier = carrier;
    this.#refusal = undefined;
    this.#attachedAt = Date.now();
    this.#owner.attached(this, carrier);
    this.pump();
    if (!this.#awaited) return;
    this.#awaited = false;
    this.#owner.room();
  }

  #failed(fault: Fault): void {
    if (this.#closed || this.#carrier !== undefined) return;
    const permanent = PERMANENT.has(codeOf(fault));
    const wait = backoffMs(this.#failures++, this.#owner.random());
    this.#owner.unreachable(fault, permanent ? undefined : wait);
    if (this.#waning) {
      this.close();
      return;
    }
    if (permanent) this.#refuse(codeOf(fault));
    if (!permanent || this.#persistent) this.#seekLater(wait);
    else this.#refusal = { code: codeOf(fault), until: Date.now() + wait };
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

  #seekLater(ms: number): void {
    if (this.#retry !== undefined) return;
    this.#retry = setTimeout(() => {
      this.#retry = undefined;
      this.#seek();
    }, ms);
  }

  #watchExpiry(): void {
    if (this.#expiry !== undefined || this.#queue.length === 0) return;
    this.#expiry = setTimeout(
      () => {
        this.#expiry = undefined;
        for (const stanza of this.#queue.expire(Date.now())) this.#expire(stanza);
        this.#watchExpiry();
        this.pump();
        this.#relieve();
      },
      Math.max(EXPIRY_STEP_MS, this.#queue.nextDeadline - Date.now()),
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
