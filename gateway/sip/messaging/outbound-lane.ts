import { asFault, Fault } from '../../../policies/fault.ts';
import type { ReasonCode } from '../../../policies/reasons.ts';
import type { Taken } from '../../bridge/ports.ts';
import type { Stanza } from '../../bridge/stanza.ts';
import type { OutRequest, Reply, Trunk } from '../port.ts';
import type { Clock, Timer } from '../transaction/clock.ts';
import { retryMs } from './back-off.ts';
import { lastingReason } from './lasting.ts';
import type { QueueLimits } from './messaging-context.ts';

/** A message on its way, as a stanza and as the MESSAGE that it has become. */
export interface Outgoing {
  readonly stanza: Stanza;
  readonly request: OutRequest;
  /** Who talks with whom: what one conversation says stays in order (RFC 3428 §8). */
  readonly conversation: string;
}

export interface LaneOwner {
  /** Undefined where no trunk leads to the partner. */
  trunk(): Trunk | undefined;
  delivered(outgoing: Outgoing): void;
  /** The partner's final response refuses it. */
  rejected(outgoing: Outgoing, reply: Reply): void;
  undeliverable(stanza: Stanza, reason: ReasonCode): void;
  returned(stanzas: readonly Stanza[]): void;
  room(): void;
  /** Nothing will be sent soon: what is kept elsewhere is not to wait. */
  unreachable(reason: ReasonCode): void;
  /** An attempt failed before anything was sent; for the log. */
  failed(reply: Reply, retryMs: number): void;
  /** Uniform in [0, 1). */
  random(): number;
}

/**
 * The lane asks for a pause once half of it is taken, for one read of the home's link brings some hundred messages
 * more; and takes more again once a quarter is.
 */
const HIGH_MARK = 2;
const LOW_MARK = 4;

/**
 * The way of one pair of domains over a trunk: one MESSAGE under way per conversation, several conversations side by
 * side, bounded. While the trunk is down, what is kept elsewhere waits there.
 */
export class OutboundLane {
  readonly #owner: LaneOwner;
  readonly #limits: QueueLimits;
  readonly #clock: Clock;
  /** By conversation; the first of each is under way or about to be. */
  readonly #conversations = new Map<string, Outgoing[]>();
  /** Conversations whose first may be sent. */
  readonly #ready: Outgoing[] = [];
  readonly #underWay = new Set<Outgoing>();
  #messages = 0;
  #bytes = 0;
  #failures = 0;
  /** Until when nothing is tried, and what is told meanwhile where waiting would not help. */
  #rest: { readonly timer: Timer; readonly reason: ReasonCode | undefined } | undefined;
  /** A rest is over: one attempt is due, whatever the trunk is said to be. */
  #due = false;
  /** Whether somebody waits to be told that there is room. */
  #starved = false;
  #closed = false;
  #over: (() => void) | undefined;

  constructor(owner: LaneOwner, limits: QueueLimits, clock: Clock) {
    this.#owner = owner;
    this.#limits = limits;
    this.#clock = clock;
  }

  /** Messages waiting or under way. */
  get held(): number {
    return this.#messages;
  }

  /** Whether it may be forgotten. */
  get idle(): boolean {
    return this.#messages === 0 && this.#rest === undefined && !this.#starved;
  }

  send(outgoing: Outgoing): Taken {
    const { stanza } = outgoing;
    const trunk = this.#closed ? undefined : this.#owner.trunk();
    if (trunk === undefined) return this.#turnAway(stanza, this.#closed ? 'shutting-down' : 'trunk-missing');
    if (this.#rest?.reason !== undefined) return this.#turnAway(stanza, this.#rest.reason);
    if (this.#rest !== undefined || (trunk.state !== 'up' && !this.#due)) {
      if (this.#rest === undefined) this.#restFor(undefined);
      if (stanza.kept === undefined) return this.#turnAway(stanza, 'remote-unreachable');
      this.#starved = true;
      return 'none';
    }
    if (this.#full && stanza.kept === undefined) return this.#turnAway(stanza, 'queue-full');
    this.#add(outgoing);
    this.#pump();
    if (this.#isBelow(HIGH_MARK)) return 'more';
    this.#starved = true;
    return 'enough';
  }

  /** The trunk has come up. */
  up(): void {
    this.#failures = 0;
    this.#endRest();
  }

  /** Takes nothing more, gives back what is not under way, and resolves when nothing is, or after so many ms. */
  async close(limitMs: number): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#rest?.timer.clear();
    this.#rest = undefined;
    this.#giveBack([...this.#waiting()], 'shutting-down');
    if (this.#underWay.size === 0) return;
    await new Promise<void>((resolve) => {
      const timer = this.#clock.setTimeout(resolve, limitMs);
      this.#over = () => {
        timer.clear();
        resolve();
      };
    });
    for (const outgoing of this.#underWay) {
      // What is kept is found in doubt by the next start.
      if (outgoing.stanza.kept !== undefined) continue;
      this.#underWay.delete(outgoing);
      this.#owner.undeliverable(outgoing.stanza, 'delivery-doubtful');
    }
  }

  get #full(): boolean {
    return this.#messages >= this.#limits.messages || this.#bytes >= this.#limits.bytes;
  }

  /** Whether less than one part in so many is taken. */
  #isBelow(mark: number): boolean {
    return this.#messages * mark < this.#limits.messages && this.#bytes * mark < this.#limits.bytes;
  }

  #turnAway(stanza: Stanza, reason: ReasonCode): Taken {
    if (reason === 'shutting-down' && stanza.kept !== undefined) return 'none';
    this.#owner.undeliverable(stanza, reason);
    return 'more';
  }

  #add(outgoing: Outgoing): void {
    this.#messages++;
    this.#bytes += outgoing.stanza.bytes.length;
    const line = this.#conversations.get(outgoing.conversation);
    if (line !== undefined) line.push(outgoing);
    else {
      this.#conversations.set(outgoing.conversation, [outgoing]);
      this.#ready.push(outgoing);
    }
  }

  /** It is no longer ours; what follows it in its conversation is next. */
  #remove(outgoing: Outgoing): void {
    this.#messages--;
    this.#bytes -= outgoing.stanza.bytes.length;
    const line = this.#conversations.get(outgoing.conversation) ?? [];
    line.shift();
    const [next] = line;
    if (next === undefined) this.#conversations.delete(outgoing.conversation);
    else this.#ready.push(next);
  }

  #pump(): void {
    while (this.#rest === undefined && this.#underWay.size < this.#limits.parallel) {
      const outgoing = this.#ready.shift();
      if (outgoing === undefined) return;
      this.#due = false;
      this.#underWay.add(outgoing);
      this.#request(outgoing).then(
        (reply) => this.#settled(outgoing, reply),
        (error: unknown) => this.#settled(outgoing, asFault(error)),
      );
    }
  }

  async #request({ request }: Outgoing): Promise<Reply> {
    const trunk = this.#owner.trunk();
    if (trunk === undefined) throw new Fault('trunk-missing');
    return trunk.request(request);
  }

  #settled(outgoing: Outgoing, reply: Reply | Fault): void {
    if (!this.#underWay.delete(outgoing)) return;
    this.#remove(outgoing);
    if (reply instanceof Fault) this.#owner.undeliverable(outgoing.stanza, reply.code);
    // It holds what no SIP message may: another try would change nothing.
    else if (reply.origin === 'unsent' && reply.status === 400)
      this.#owner.undeliverable(outgoing.stanza, 'sip-unsendable');
    else if (reply.origin === 'unsent') this.#unsent(outgoing, reply);
    else if (reply.origin !== 'peer') this.#owner.undeliverable(outgoing.stanza, 'delivery-doubtful');
    else {
      this.#failures = 0;
      if (reply.status < 300) this.#owner.delivered(outgoing);
      else this.#owner.rejected(outgoing, reply);
    }
    if (this.#closed) {
      if (this.#underWay.size === 0) this.#over?.();
      return;
    }
    this.#pump();
    this.#relieve();
  }

  /** Nothing was written: it comes back with all that waits behind it, and is tried again later. */
  #unsent(outgoing: Outgoing, reply: Reply): void {
    this.#giveBack([outgoing, ...this.#waiting()], this.#closed ? 'shutting-down' : 'remote-unreachable');
    if (this.#closed) return;
    const reason = lastingReason(reply);
    // A rest that began while this was under way, as the trunk is down, did not know why.
    if (this.#rest === undefined || (this.#rest.reason === undefined && reason !== undefined)) {
      this.#rest?.timer.clear();
      this.#owner.failed(reply, this.#restFor(reason));
    }
    const lasting = this.#rest?.reason;
    if (lasting === undefined) this.#starved = true;
    else this.#owner.unreachable(lasting);
  }

  /** All that is not under way, in no order; it is forgotten here. */
  *#waiting(): Generator<Outgoing> {
    this.#ready.length = 0;
    for (const [conversation, line] of this.#conversations) {
      const [first] = line;
      const stays = first !== undefined && this.#underWay.has(first) ? 1 : 0;
      for (const outgoing of line.splice(stays)) {
        this.#messages--;
        this.#bytes -= outgoing.stanza.bytes.length;
        yield outgoing;
      }
      if (line.length === 0) this.#conversations.delete(conversation);
    }
  }

  #giveBack(outgoing: readonly Outgoing[], reason: ReasonCode): void {
    const stanzas = outgoing.map(({ stanza }) => stanza);
    const kept = stanzas.filter((stanza) => stanza.kept !== undefined).sort(byTicket);
    for (const stanza of stanzas) if (stanza.kept === undefined) this.#owner.undeliverable(stanza, reason);
    if (kept.length > 0) this.#owner.returned(kept);
  }

  #restFor(reason: ReasonCode | undefined): number {
    const ms = retryMs(this.#failures++, this.#owner.random());
    this.#rest = { reason, timer: this.#clock.setTimeout(() => this.#endRest(), ms) };
    return ms;
  }

  #endRest(): void {
    if (this.#closed) return;
    this.#rest?.timer.clear();
    this.#rest = undefined;
    this.#due = true;
    this.#pump();
    this.#relieve();
  }

  #relieve(): void {
    if (!this.#starved || this.#rest !== undefined || !this.#isBelow(LOW_MARK)) return;
    this.#starved = false;
    this.#owner.room();
  }
}

function byTicket(one: Stanza, other: Stanza): number {
  return (one.kept?.ticket ?? 0) - (other.kept?.ticket ?? 0);
}
