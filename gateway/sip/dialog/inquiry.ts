import type { ModifyAnswer, Sdp } from '../port.ts';
import type { ServerTransaction } from '../transaction/transaction.ts';
import type { Acknowledged } from './acceptance.ts';
import { sdpOf, setSdp } from './body.ts';
import type { PendingAnswer } from './core.ts';
import { undecided } from './decision.ts';
import type { Leg } from './leg.ts';
import { answer } from './respond.ts';

type Accepted = Exclude<ModifyAnswer, { readonly refuse: unknown }>;

/** A change that the peer asks for, by re-INVITE, by UPDATE, or in a PRACK, while the gateway decides about it. */
export class Inquiry implements PendingAnswer {
  readonly #leg: Leg;
  readonly #transaction: ServerTransaction;
  readonly #settled: () => void;
  readonly #abort = new AbortController();
  #over = false;

  /** `settled` is called once, when it is answered, or is needed no more. */
  constructor(leg: Leg, transaction: ServerTransaction, settled: () => void) {
    this.#leg = leg;
    this.#transaction = transaction;
    this.#settled = settled;
    leg.core.pending.set(transaction, this);
  }

  async run(): Promise<void> {
    const leg = this.#leg;
    const offer = sdpOf(this.#transaction.request);
    if (offer !== undefined) leg.offers = 'theirs';
    const decided = await leg
      .decide(offer, this.#abort.signal)
      .catch((error: unknown): ModifyAnswer => ({ refuse: undecided(leg.core, error) }));
    if (!this.#settle()) return;
    if ('refuse' in decided) answer(this.#transaction, decided.refuse);
    else this.#accept(decided, offer);
  }

  /** It is answered with 487, and the session goes on as it was (RFC 3261 §9.2). */
  cancel(): void {
    this.close();
  }

  /** The answer goes nowhere, and yet ends the transaction. */
  lost(): void {
    this.close();
  }

  /** The session is over (RFC 3261 §15.1.2). */
  close(): void {
    if (!this.#settle()) return;
    answer(this.#transaction, { status: 487 });
    this.#abort.abort();
  }

  #accept(accepted: Accepted, offer: Sdp | undefined): void {
    const leg = this.#leg;
    const response = leg.success(this.#transaction.request);
    setSdp(response, accepted.sdp);
    leg.described(accepted.sdp);
    if (this.#transaction.request.method !== 'INVITE') {
      this.#transaction.respond(response);
      return;
    }
    if (offer === undefined) leg.offers = 'ours';
    leg.accept(this.#transaction, response, (acknowledged) => this.#acknowledged(acknowledged, accepted, offer));
  }

  #acknowledged(acknowledged: Acknowledged, accepted: Accepted, offer: Sdp | undefined): void {
    if (acknowledged === 'over') return;
    if (acknowledged === 'never') {
      this.#leg.hangUp('timeout');
      return;
    }
    if (offer !== undefined) return;
    this.#leg.offers = 'settled';
    const sdp = sdpOf(acknowledged);
    if (sdp === undefined) this.#leg.hangUp('us', 'SIP;cause=400;text="No answer in the ACK"');
    else accepted.ack?.(sdp);
  }

  /** False where it was settled before. */
  #settle(): boolean {
    if (this.#over) return false;
    this.#over = true;
    this.#leg.core.pending.delete(this.#transaction);
    this.#leg.offers = 'settled';
    this.#settled();
    return true;
  }
}
