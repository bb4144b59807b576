import type { SipRequest, SipResponse } from '../message/message.ts';
import type { Clock } from '../transaction/clock.ts';
import type { ServerTransaction } from '../transaction/transaction.ts';
import { Retransmission } from './retransmission.ts';

/** T2 (RFC 3261 §17.1.2.2), ms. */
const T2_MS = 4_000;

/** How the wait for an ACK ends: it came, it never came, or the call was over before. */
export type Acknowledged = SipRequest | 'never' | 'over';

/** Our 2xx to an INVITE, sent again until its ACK is in (RFC 3261 §13.3.1.4). */
export class Acceptance {
  /** Of the INVITE, and so of the ACK. */
  readonly cseq: number;
  readonly #transaction: ServerTransaction;
  readonly #response: SipResponse;
  readonly #settled: (acknowledged: Acknowledged) => void;
  readonly #retransmission: Retransmission;
  #over = false;

  /** Sends it. Throws `Fault('sip-unsendable')`, and then nothing is under way. `settled` is called once. */
  constructor(
    clock: Clock,
    transaction: ServerTransaction,
    response: SipResponse,
    settled: (acknowledged: Acknowledged) => void,
  ) {
    transaction.respond(response);
    this.cseq = transaction.request.cseq.number;
    this.#transaction = transaction;
    this.#response = response;
    this.#settled = settled;
    this.#retransmission = new Retransmission(clock, {
      send: () => this.#transaction.respond(this.#response),
      expired: () => this.settle('never'),
      longest: T2_MS,
    });
  }

  settle(acknowledged: Acknowledged): void {
    if (this.#over) return;
    this.#over = true;
    this.#retransmission.close();
    this.#settled(acknowledged);
  }
}
