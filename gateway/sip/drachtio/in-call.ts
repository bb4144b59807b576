import { Fault } from '../../../policies/fault.ts';
import { sdpOf, setSdp } from '../dialog/body.ts';
import { IncomingRequest, partyOf } from '../dialog/incoming-request.ts';
import { ALLOW, addHeaders, SUPPORTED } from '../dialog/request.ts';
import { later } from '../dialog/respond.ts';
import { SipResponse } from '../message/message.ts';
import type { Answer, ExtraHeaders, InCall, Ringing, Sdp, Session, Trunk } from '../port.ts';
import type { Timer } from '../transaction/clock.ts';
import { reasonPhrase } from '../transaction/reason-phrases.ts';
import type { Arrival } from './arrival.ts';
import type { DialogOwner, Ground } from './ground.ts';
import { DrachtioSession } from './session.ts';

/** A call that rings says so at least this often, ms, or a proxy on the way gives it up (RFC 3261 §13.3.1.1). */
const REMIND_MS = 60_000;
/** Provisional responses that wait for the PRACK of one before. */
const MOST_HELD = 8;
/** The server ends a call whose ACK never comes after 32 s and says so; where it says nothing, ms. */
const ACK_MS = 40_000;

/** A call of the peer while it is set up. */
export class DrachtioInCall extends IncomingRequest implements InCall, DialogOwner {
  readonly offer: Sdp | undefined;
  readonly cancelled: AbortSignal;
  readonly #ground: Ground;
  readonly #arrival: Arrival;
  readonly #abort = new AbortController();
  /** The caller demands provisional responses that are acknowledged (RFC 3262 §3). */
  readonly #reliably: boolean;
  #state: 'ringing' | 'answering' | 'over' = 'ringing';
  #dialogId: string | undefined;
  #unacknowledged = false;
  readonly #held: SipResponse[] = [];
  #quiet: (() => void) | undefined;
  #answered = false;
  #reminder: SipResponse | undefined;
  #timer: Timer | undefined;
  /** Ends the waiting for the word that our 2xx went out. */
  #failure: (() => void) | undefined;
  readonly #limit: number;

  constructor(ground: Ground, trunk: Trunk, arrival: Arrival) {
    super(trunk, arrival.request);
    this.#ground = ground;
    this.#arrival = arrival;
    this.cancelled = this.#abort.signal;
    this.offer = sdpOf(arrival.request);
    this.#reliably = arrival.request.headers.all('Require').some((tag) => tag.toLowerCase() === '100rel');
    this.#limit = ground.clock.now() + ground.limits.setupMs;
    ground.owners.add(this);
    arrival.onCancel(() => this.#giveUp());
    this.#remind();
  }

  ring({ status, sdp, headers }: Ringing): void {
    if (this.#state !== 'ringing') return;
    const response = new SipResponse(status, reasonPhrase(status));
    response.headers.append('Allow', ALLOW).append('Supported', SUPPORTED);
    if (this.#reliably) response.headers.append('Require', '100rel');
    addHeaders(response, headers);
    // Without an offer a description would be one, and there is no way to bring its answer back so early.
    const describes = sdp !== undefined && this.offer !== undefined;
    if (describes) setSdp(response, sdp);
    if (!this.#reliably) {
      this.#send(response);
      this.#reminder = response;
    } else if (!this.#unacknowledged) this.#sendReliably(response);
    else if (this.#held.length < MOST_HELD) this.#held.push(response);
    if (describes && this.#reliably) this.#answered = true;
  }

  async answer(sdp: Sdp, headers?: ExtraHeaders): Promise<Session> {
    return (await this.#accept(this.#answered ? undefined : sdp, headers)).session;
  }

  async answerWithOffer(offer: Sdp, headers?: ExtraHeaders): Promise<{ readonly session: Session; readonly sdp: Sdp }> {
    const { session, sdp } = await this.#accept(offer, headers);
    if (sdp !== undefined) return { session, sdp };
    void session.end('SIP;cause=400;text="No answer in the ACK"');
    throw new Fault('call-unacknowledged', 'The ACK has no answer to our offer.');
  }

  refuse(refusal: Answer): void {
    if (this.#state === 'ringing') this.#giveUp(refusal);
  }

  /** What comes in the early dialog. */
  requested(arrival: Arrival): void {
    const { method } = arrival.request;
    if (method === 'PRACK') {
      arrival.answer({ status: this.#unacknowledged ? 200 : 481 });
      this.#provisionalAcknowledged();
    } else if (method === 'BYE') {
      arrival.answer({ status: 200 });
      this.#giveUp({ status: 487 });
    } else arrival.answer(later(500, 2));
  }

  acknowledged(): void {}

  expired(): void {
    this.#giveUp();
  }

  lost(): void {
    this.#giveUp();
  }

  close(): void {
    this.#giveUp({ status: 503 });
  }

  /** Sends the 2xx and waits for its ACK. */
  async #accept(
    sdp: Sdp | undefined,
    headers: ExtraHeaders | undefined,
  ): Promise<{ readonly session: DrachtioSession; readonly sdp: Sdp | undefined }> {
    if (this.#state !== 'ringing') throw new Fault('call-over');
    this.#state = 'answering';
    // No 2xx before the PRACK of a response with a description (RFC 3262 §3).
    if (this.#unacknowledged) await new Promise<void>((resolve) => (this.#quiet = resolve));
    if (this.#isOver()) throw new Fault('call-over');
    const { promise, resolve } = Promise.withResolvers<'never' | { readonly sdp: Sdp | undefined }>();
    // The ACK may be in the same segment as the word that the 2xx went out.
    const session = await this.#send200(sdp, headers, (answer) => resolve({ sdp: answer }));
    void session.ended.then(() => resolve('never'));
    const limit = this.#ground.clock.setTimeout(() => resolve('never'), ACK_MS);
    const acknowledged = await promise;
    limit.clear();
    if (acknowledged !== 'never' && !session.over) return { session, sdp: acknowledged.sdp };
    session.close();
    throw new Fault('call-unacknowledged');
  }

  #send200(
    sdp: Sdp | undefined,
    headers: ExtraHeaders | undefined,
    acked: (answer: Sdp | undefined) => void,
  ): Promise<DrachtioSession> {
    const { promise, resolve, reject } = Promise.withResolvers<DrachtioSession>();
    const common: ExtraHeaders = [['Allow', ALLOW], ['Supported', SUPPORTED], ...(headers ?? [])];
    const body = sdp === undefined ? undefined : { type: 'application/sdp', content: Buffer.from(sdp) };
    this.#failure = () => reject(new Fault('call-over'));
    this.#arrival.answer({ status: 200, headers: common, body }, (sent) => {
      const over = this.#isOver();
      this.#settle();
      const dialogId = sent instanceof Error ? undefined : sent.dialogId;
      if (dialogId === undefined) {
        this.#abort.abort();
        reject(sent instanceof Fault ? sent : new Fault('call-over', 'The server did not send the answer.'));
        return;
      }
      const { callId } = this.#arrival.request;
      const remote = partyOf(this.#arrival.request.from);
      const session = new DrachtioSession(this.#ground, this.trunk, { dialogId, callId, remote, initiator: false });
      if (over) void session.end();
      else session.awaitAck(acked);
      resolve(session);
    });
    return promise;
  }

  #sendReliably(response: SipResponse): void {
    this.#unacknowledged = true;
    this.#send(response);
  }

  #send(response: SipResponse): void {
    this.#arrival.provisional(response, (sent) => {
      if (this.#isOver() || sent instanceof Error || sent.dialogId === undefined) return;
      this.#dialogId ??= sent.dialogId;
      if (!this.#ground.dialogs.has(sent.dialogId)) this.#ground.dialogs.set(sent.dialogId, this);
    });
  }

  #provisionalAcknowledged(): void {
    this.#unacknowledged = false;
    const next = this.#state === 'ringing' ? this.#held.shift() : undefined;
    if (next !== undefined) this.#sendReliably(next);
    else this.#quiet?.();
  }

  /** The call is not to be: the final response where none went out, and the word to the gateway. */
  #giveUp(refusal: Answer = { status: 487 }): void {
    if (this.#isOver()) return;
    this.#settle();
    this.#arrival.answer(refusal);
    this.#abort.abort();
    this.#quiet?.();
    this.#failure?.();
  }

  #settle(): void {
    this.#state = 'over';
    this.#ground.owners.delete(this);
    this.#timer?.clear();
    if (this.#dialogId !== undefined && this.#ground.dialogs.get(this.#dialogId) === this) {
      this.#ground.dialogs.delete(this.#dialogId);
    }
  }

  #isOver(): boolean {
    return this.#state === 'over';
  }

  readonly #remind = (): void => {
    const { clock } = this.#ground;
    const left = this.#limit - clock.now();
    if (left <= 0) {
      this.#giveUp({ status: 480 });
      return;
    }
    if (this.#reminder !== undefined) this.#send(this.#reminder);
    this.#timer = clock.setTimeout(this.#remind, Math.min(REMIND_MS, left));
  };
}
