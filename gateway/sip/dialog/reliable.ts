import type { SipRequest, SipResponse } from '../message/message.ts';
import { wholeNumber } from '../message/text.ts';
import type { ReadHeaders } from '../port.ts';
import type { ServerTransaction } from '../transaction/transaction.ts';
import type { Core } from './core.ts';
import { wasSent } from './respond.ts';
import { Retransmission } from './retransmission.ts';

/** Provisional responses that wait for the PRACK of the one before: a call rings in a few ways at most. */
const WAITING = 8;

/** Whether a message has this option tag in Require or Supported. */
export function hasTag(headers: ReadHeaders, name: 'Require' | 'Supported', tag: string): boolean {
  return headers.all(name).some((one) => one.toLowerCase() === tag);
}

/** RSeq of a reliable provisional response; undefined for any other (RFC 3262 §4). */
export function reliableNumber({ headers }: SipResponse): number | undefined {
  return hasTag(headers, 'Require', '100rel') ? wholeNumber(headers.get('RSeq') ?? '', 2 ** 32 - 1) : undefined;
}

/** Our reliable provisional responses to one INVITE: one at a time, each sent again until its PRACK (RFC 3262 §3). */
export class ReliableProvisionals {
  readonly #core: Core;
  readonly #transaction: ServerTransaction;
  readonly #expired: () => void;
  readonly #waiting: { readonly response: SipResponse; readonly describes: boolean }[] = [];
  #rseq: number;
  #retransmission: Retransmission | undefined;
  #quiet: (() => void) | undefined;

  /** `expired`: a PRACK never came, in 64*T1. */
  constructor(core: Core, transaction: ServerTransaction, expired: () => void) {
    this.#core = core;
    this.#transaction = transaction;
    this.#expired = expired;
    // RFC 3262 §3: from 1 to 2^31 − 1; some way below, since it counts up.
    this.#rseq = 1 + Math.floor(core.random.fraction() * 2 ** 30);
  }

  /** Sends it as soon as those before it are acknowledged; false past the bound, where it is dropped. */
  send(response: SipResponse, describes: boolean): boolean {
    if (this.#waiting.length >= WAITING) return false;
    this.#waiting.push({ response, describes });
    this.#next();
    return true;
  }

  /** Takes a PRACK; false where it is for none that waits. */
  acknowledged({ headers, cseq }: SipRequest): boolean {
    const rack = `${this.#rseq} ${this.#transaction.request.cseq.number} INVITE`;
    if (this.#retransmission === undefined || headers.get('RAck')?.replace(/[ \t]+/g, ' ') !== rack) return false;
    if (cseq.method !== 'PRACK') return false;
    this.#retransmission.close();
    this.#retransmission = undefined;
    this.#waiting.shift();
    this.#rseq += 1;
    if (!this.owesPrack) this.#quiet?.();
    // Behind the 200 to this PRACK.
    queueMicrotask(() => this.#next());
    return true;
  }

  /** A description is not acknowledged yet, so that no 2xx may follow (RFC 3262 §3). */
  get owesPrack(): boolean {
    return this.#waiting.some(({ describes }) => describes);
  }

  /** Resolves as soon as {@link owesPrack} ends; not at all where that is by the end of the call. */
  quiet(): Promise<void> {
    return new Promise((resolve) => {
      this.#quiet = resolve;
    });
  }

  close(): void {
    this.#waiting.length = 0;
    this.#retransmission?.close();
    this.#retransmission = undefined;
  }

  #next(): void {
    const [first] = this.#waiting;
    if (first === undefined || this.#retransmission !== undefined) return;
    const { response } = first;
    response.headers.set('Require', '100rel').set('RSeq', String(this.#rseq));
    if (!wasSent(this.#transaction, response)) {
      this.#waiting.shift();
      this.#next();
      return;
    }
    this.#retransmission = new Retransmission(this.#core.clock, {
      send: () => this.#transaction.respond(response),
      expired: this.#expired,
      longest: Number.POSITIVE_INFINITY,
    });
  }
}
