import { Fault } from '../../../policies/fault.ts';
import type { SipRequest, SipResponse } from '../message/message.ts';
import type { Answer, ExtraHeaders, InCall, Ringing, Sdp, Session } from '../port.ts';
import type { Timer } from '../transaction/clock.ts';
import { respondTo } from '../transaction/response.ts';
import type { ServerTransaction } from '../transaction/transaction.ts';
import type { Acknowledged } from './acceptance.ts';
import { sdpOf, setSdp } from './body.ts';
import type { OpenCall, PendingAnswer } from './core.ts';
import { Dialog } from './dialog.ts';
import { IncomingRequest } from './incoming-request.ts';
import { hasTag, ReliableProvisionals } from './reliable.ts';
import { ALLOW, addHeaders, SUPPORTED } from './request.ts';
import { answer, wasSent } from './respond.ts';
import { OwnSession, type Place, type Setup } from './session.ts';

/** A call that rings says so at least this often, ms, or a proxy on the way gives it up (RFC 3261 §13.3.1.1). */
const REMIND_MS = 60_000;

/** A call of the peer while it is set up (RFC 3261 §13.3), with its one early dialog. */
export class ServerCall extends IncomingRequest implements InCall, Setup, PendingAnswer, OpenCall {
  readonly offer: Sdp | undefined;
  readonly cancelled: AbortSignal;
  /** Before the answer, for UPDATE and other requests in the early dialog; then the same as `answer` gives. */
  override readonly session: OwnSession;
  readonly #abort = new AbortController();
  readonly #transaction: ServerTransaction;
  readonly #reliably: boolean;
  #state: 'ringing' | 'answering' | 'over' = 'ringing';
  /** The description that a reliable response had: it was the answer. */
  #answered = false;
  #provisionals: ReliableProvisionals | undefined;
  #reminder: SipResponse | undefined;
  #timer: Timer | undefined;
  readonly #limit: number;
  #interrupt: (() => void) | undefined;

  constructor(place: Place, transaction: ServerTransaction) {
    const { request } = transaction;
    super(place.trunk, request);
    this.#transaction = transaction;
    this.cancelled = this.#abort.signal;
    this.offer = sdpOf(request);
    this.#reliably = hasTag(request.headers, 'Require', '100rel');
    this.session = new OwnSession(place, Dialog.ofRequest(request, transaction.tag, transaction.flow), this);
    this.session.learn(request);
    if (this.offer !== undefined) this.session.offers = 'theirs';
    const { core } = place;
    core.calls.add(this);
    core.pending.set(transaction, this);
    this.#limit = core.clock.now() + core.limits.setupMs;
    this.#remind();
  }

  ring({ status, sdp, headers }: Ringing): void {
    if (this.#state !== 'ringing') return;
    const { request } = this.#transaction;
    const response = respondTo(request, status);
    recordRoute(response, request);
    response.headers
      .append('Contact', `<${this.session.outbound.contact()}>`)
      .append('Allow', ALLOW)
      .append('Supported', SUPPORTED);
    addHeaders(response, headers);
    // Without an offer a description would be one, and there is no way to bring its answer back so early.
    const describes = sdp !== undefined && this.offer !== undefined;
    if (describes) setSdp(response, sdp);
    const { core, dialog } = this.session;
    core.dialogs.set(dialog.localTag, this.session);
    if (!this.#reliably) {
      if (wasSent(this.#transaction, response)) this.#reminder = response;
      return;
    }
    this.#provisionals ??= new ReliableProvisionals(core, this.#transaction, () => this.#giveUp({ status: 504 }));
    if (!this.#provisionals.send(response, describes) || !describes) return;
    this.#answered = true;
    this.session.offers = 'settled';
  }

  async answer(sdp: Sdp, headers?: ExtraHeaders): Promise<Session> {
    await this.#accept(this.#answered ? undefined : sdp, headers);
    this.session.described(sdp);
    return this.session;
  }

  async answerWithOffer(offer: Sdp, headers?: ExtraHeaders): Promise<{ readonly session: Session; readonly sdp: Sdp }> {
    const sdp = sdpOf(await this.#accept(offer, headers));
    this.session.offers = 'settled';
    this.session.described(offer);
    if (sdp !== undefined) return { session: this.session, sdp };
    this.session.hangUp('us', 'SIP;cause=400;text="No answer in the ACK"');
    throw new Fault('call-unacknowledged', 'The ACK has no answer to our offer.');
  }

  refuse(refusal: Answer): void {
    if (this.#state === 'ringing') this.#giveUp(refusal);
  }

  cancel(): void {
    this.#giveUp({ status: 487 });
  }

  /** The answer goes nowhere, and yet ends the transaction. */
  lost(): void {
    this.#giveUp({ status: 487 });
  }

  close(): void {
    this.#giveUp({ status: 503 });
  }

  /** BYE in the early dialog, or our own end of it. */
  abandoned(): void {
    this.#giveUp({ status: 487 });
  }

  provisionalAcknowledged(prack: SipRequest): boolean {
    return this.#provisionals?.acknowledged(prack) === true;
  }

  /** Sends the 2xx and waits for its ACK. */
  async #accept(sdp: Sdp | undefined, headers: ExtraHeaders | undefined): Promise<SipRequest> {
    if (this.#state !== 'ringing') throw callOver();
    this.#state = 'answering';
    if (this.#provisionals?.owesPrack === true) await this.#untilPrack(this.#provisionals);
    const acknowledged = await this.#untilAck(sdp, headers);
    if (acknowledged === 'over') throw callOver();
    if (acknowledged !== 'never') return acknowledged;
    this.session.hangUp('timeout', 'SIP;cause=408;text="No ACK"');
    throw new Fault('call-unacknowledged');
  }

  #untilAck(sdp: Sdp | undefined, headers: ExtraHeaders | undefined): Promise<Acknowledged> {
    const { session } = this;
    const response = session.success(this.#transaction.request);
    recordRoute(response, this.#transaction.request);
    addHeaders(response, headers);
    setSdp(response, sdp);
    return new Promise((resolve, reject) => {
      try {
        session.accept(this.#transaction, response, resolve);
      } catch (error) {
        this.#giveUp({ status: 500 });
        reject(error);
        return;
      }
      session.offers = this.offer === undefined ? 'ours' : 'settled';
      this.#settle();
      session.confirm();
    });
  }

  /** No 2xx before the PRACK of a response with a description (RFC 3262 §3). */
  async #untilPrack(provisionals: ReliableProvisionals): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#interrupt = resolve;
      void provisionals.quiet().then(resolve);
    });
    if (this.#over()) throw callOver();
  }

  /** The call is not to be: the final response, and the word to the gateway. */
  #giveUp(refusal: Answer): void {
    if (this.#over()) return;
    this.#settle();
    answer(this.#transaction, refusal);
    this.session.abandon();
    this.#abort.abort();
    this.#interrupt?.();
  }

  #settle(): void {
    const { core } = this.session;
    this.#state = 'over';
    core.calls.delete(this);
    core.pending.delete(this.#transaction);
    this.#timer?.clear();
    this.#provisionals?.close();
    this.#reminder = undefined;
  }

  #over(): boolean {
    return this.#state === 'over';
  }

  readonly #remind = (): void => {
    const { clock } = this.session.core;
    const left = this.#limit - clock.now();
    if (left <= 0) {
      this.#giveUp({ status: 480 });
      return;
    }
    if (this.#reminder !== undefined) this.#transaction.respond(this.#reminder);
    this.#timer = clock.setTimeout(this.#remind, Math.min(REMIND_MS, left));
  };
}

/** What makes a response one that creates a dialog (RFC 3261 §12.1.1). */
function recordRoute(response: SipResponse, request: SipRequest): void {
  for (const route of request.headers.lines('Record-Route')) response.headers.append('Record-Route', route);
}

function callOver(): Fault {
  return new Fault('call-over');
}
