import type { SipRequest, SipResponse } from '../message/message.ts';
import type {
  Answer,
  Body,
  ExtraHeaders,
  InRequest,
  Modified,
  ModifyAnswer,
  Party,
  Reply,
  Sdp,
  Session,
  SessionEnd,
  Trunk,
} from '../port.ts';
import { respondTo } from '../transaction/response.ts';
import type { ServerTransaction } from '../transaction/transaction.ts';
import { Acceptance, type Acknowledged } from './acceptance.ts';
import { setBody } from './body.ts';
import { Change, sessionOver } from './change.ts';
import type { Core, OpenCall } from './core.ts';
import type { Dialog } from './dialog.ts';
import type { DialogOwner } from './dialogs.ts';
import { exchange } from './exchange.ts';
import { Inquiry } from './inquiry.ts';
import type { OfferState } from './offer-answer.ts';
import type { Outbound } from './outbound.ts';
import { OwnAcks } from './own-acks.ts';
import { type Receiving, receive } from './reception.ts';
import { ownReply } from './reply.ts';
import { ALLOW, addHeaders, SUPPORTED } from './request.ts';
import {
  LEAST_INTERVAL,
  SessionTimer,
  type Timed,
  type TimerTerms,
  termsOfRequest,
  termsOfResponse,
} from './session-timer.ts';

/** The call that sets a session up, as long as it does. */
export interface Setup {
  /** Whether a PRACK is for a reliable provisional response of ours (RFC 3262 §3). */
  provisionalAcknowledged(prack: SipRequest): boolean;
  /** The session is given up before it stood, by us or by a BYE of the peer. */
  abandoned(): void;
}

/** Where a session hangs. */
export interface Place {
  readonly core: Core;
  readonly trunk: Trunk;
  readonly outbound: Outbound;
}

/** One INVITE dialog and what happens in it: early while the call is set up, then the session of the port. */
export class OwnSession implements Session, Receiving, DialogOwner, Timed, OpenCall {
  readonly core: Core;
  readonly trunk: Trunk;
  readonly outbound: Outbound;
  readonly dialog: Dialog;
  readonly ended: Promise<SessionEnd>;
  readonly acks: OwnAcks;
  onModify: ((offer: Sdp | undefined, signal: AbortSignal) => Promise<ModifyAnswer>) | undefined = undefined;
  onRequest: ((request: InRequest) => Promise<Answer>) | undefined = undefined;
  offers: OfferState = 'settled';
  peerUpdates = false;
  leastSeconds = LEAST_INTERVAL;
  asked = 0;
  readonly #end: (end: SessionEnd) => void;
  /** Undefined once the session stands. */
  #setup: Setup | undefined;
  #over = false;
  #asking = 0;
  #change: { readonly change: Change; readonly done: Promise<void> } | undefined;
  #inquiry: Inquiry | undefined;
  #acceptance: Acceptance | undefined;
  #afterAck: (() => void) | undefined;
  #timer: SessionTimer | undefined;
  #localSdp: Sdp | undefined;
  #farewell: Promise<void> | undefined;

  constructor({ core, trunk, outbound }: Place, dialog: Dialog, setup: Setup) {
    this.core = core;
    this.trunk = trunk;
    this.outbound = outbound;
    this.dialog = dialog;
    this.acks = new OwnAcks(dialog, outbound);
    this.#setup = setup;
    const { promise, resolve } = Promise.withResolvers<SessionEnd>();
    this.ended = promise;
    this.#end = resolve;
  }

  get id(): string {
    return this.dialog.localTag;
  }

  get callId(): string {
    return this.dialog.callId;
  }

  get remote(): Party {
    return this.dialog.remote;
  }

  get session(): Session {
    return this;
  }

  get confirmed(): boolean {
    return this.#setup === undefined;
  }

  get over(): boolean {
    return this.#over;
  }

  get terms(): TimerTerms | undefined {
    return this.#timer?.terms;
  }

  get localSdp(): Sdp | undefined {
    return this.#localSdp;
  }

  get inviting(): boolean {
    return this.#change?.change.inviting === true || this.#acceptance !== undefined;
  }

  get deciding(): boolean {
    return this.#inquiry !== undefined;
  }

  get busy(): boolean {
    return this.inviting || this.deciding || this.acks.owed > 0 || this.offers !== 'settled';
  }

  modify(offer: Sdp | undefined, headers: ExtraHeaders = []): Promise<Modified> {
    return this.#alone((change) => change.modify(offer, headers));
  }

  async request(
    method: string,
    { headers, body }: { readonly headers?: ExtraHeaders; readonly body?: Body },
  ): Promise<Reply> {
    if (this.#over) return sessionOver();
    if (this.#asking >= this.core.limits.pendingRequests) return ownReply(503, 'Too Many Requests', 'unsent');
    this.#asking += 1;
    const reply = await this.#ask(method, (request) => {
      if (method !== 'MESSAGE') request.headers.append('Contact', `<${this.outbound.contact()}>`);
      addHeaders(request, headers);
      if (body !== undefined) setBody(request, body);
    });
    this.#asking -= 1;
    if (reply.status === 481 && reply.origin === 'peer') this.vanished();
    return reply;
  }

  end(reason?: string): Promise<void> {
    this.hangUp('us', reason);
    return this.#farewell ?? Promise.resolve();
  }

  hangUp(by: SessionEnd['by'], reason?: string): void {
    if (this.#over) return;
    const stands = this.confirmed;
    this.#finish({ by, reason });
    if (stands) this.#farewell = this.#bye(reason);
  }

  peerHungUp(reason: string | undefined): void {
    // Ours, if one is under way, is still to be answered.
    if (this.#over) return;
    this.#finish({ by: 'peer', reason });
    this.#forget();
  }

  vanished(): void {
    if (this.#over) return;
    this.#finish({ by: 'peer' });
    this.#forget();
  }

  /** The call was not set up; nothing is sent here. */
  abandon(): void {
    this.#finish({ by: 'us' });
    this.#forget();
  }

  /** Ends it without waiting for anything, for all is ending. */
  close(): void {
    this.hangUp('us');
    this.#forget();
  }

  /** It stands: by a 2xx of ours, or by this one of the peer. */
  confirm(response?: SipResponse): void {
    this.#setup = undefined;
    this.core.calls.add(this);
    this.core.dialogs.set(this.dialog.localTag, this);
    if (response === undefined) return;
    this.dialog.confirm(response);
    this.#agree(response);
  }

  refreshed(response: SipResponse): void {
    this.dialog.refresh(response);
    this.#agree(response);
  }

  /** What a message of the peer tells of it. */
  learn({ headers }: SipRequest | SipResponse): void {
    if (headers.has('Allow')) this.peerUpdates = headers.all('Allow').includes('UPDATE');
  }

  success(request: SipRequest): SipResponse {
    const response = respondTo(request, 200);
    const { headers } = response;
    headers.append('Contact', `<${this.outbound.contact()}>`).append('Allow', ALLOW).append('Supported', SUPPORTED);
    if (request.method !== 'INVITE' && request.method !== 'UPDATE') return response;
    this.dialog.refresh(request);
    this.learn(request);
    // Before it stands a session cannot expire: the call has a limit of its own.
    if (request.method === 'UPDATE' && !this.confirmed) return response;
    const terms = termsOfRequest(request.headers, this.core.limits.sessionSeconds);
    this.#time(terms);
    if (terms === undefined) return response;
    const byPeer = terms.refresher === 'peer';
    headers.append('Session-Expires', `${terms.interval};refresher=${byPeer ? 'uac' : 'uas'}`);
    if (byPeer) headers.append('Require', 'timer');
    return response;
  }

  accept(transaction: ServerTransaction, response: SipResponse, settled: (acknowledged: Acknowledged) => void): void {
    this.#acceptance = new Acceptance(this.core.clock, transaction, response, (acknowledged) => {
      this.#acceptance = undefined;
      settled(acknowledged);
      this.#afterAck?.();
    });
  }

  described(sdp: Sdp): void {
    this.#localSdp = this.terms?.refresher === 'us' && !this.peerUpdates ? sdp : undefined;
  }

  oweAck(cseq: number): void {
    this.acks.owe(cseq);
    this.offers = 'theirs';
  }

  acknowledge(cseq: number, sdp?: Sdp): void {
    if (this.acks.owed === cseq) this.offers = 'settled';
    this.acks.send(cseq, sdp);
  }

  async decide(offer: Sdp | undefined, signal: AbortSignal): Promise<ModifyAnswer> {
    // An offer right behind the ACK comes before whoever waited for the ACK has had its turn.
    if (this.onModify === undefined) await new Promise(setImmediate);
    return (await this.onModify?.(offer, signal)) ?? { refuse: { status: 488 } };
  }

  inquire(transaction: ServerTransaction): void {
    this.#inquiry = new Inquiry(this, transaction, () => {
      this.#inquiry = undefined;
    });
    void this.#inquiry.run();
  }

  provisionalAcknowledged({ request }: ServerTransaction): boolean {
    return this.#setup?.provisionalAcknowledged(request) === true;
  }

  requested(transaction: ServerTransaction): void {
    receive(this, transaction);
  }

  acknowledged(ack: SipRequest): void {
    if (this.#acceptance?.cseq === ack.cseq.number) this.#acceptance.settle(ack);
  }

  /** Also of a re-INVITE whose flow was lost: the peer has taken it, and waits for the ACK. */
  responded(response: SipResponse): void {
    const cseq = response.cseq.number;
    const forgotten = cseq <= this.dialog.localCseq && !this.inviting && this.acks.owed === 0;
    if (!this.acks.again(cseq) && forgotten) this.acknowledge(cseq);
  }

  refreshSession(): void {
    void this.#alone((change) => change.refresh()).then(({ status }) => {
      if (status >= 300 && !this.#over) this.#timer?.again();
    });
  }

  sessionExpired(): void {
    this.hangUp('timeout', 'SIP;cause=408;text="Session expired"');
  }

  /** One change at a time. */
  async #alone<T>(run: (change: Change) => Promise<T>): Promise<T> {
    while (this.#change !== undefined) await this.#change.done;
    const change = new Change(this);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#change = { change, done: promise };
    try {
      return await run(change);
    } finally {
      this.#change = undefined;
      resolve();
    }
  }

  async #ask(method: string, complete: (request: SipRequest) => void): Promise<Reply> {
    const { reply } = await exchange(this.outbound, {
      dialog: this.dialog,
      build: (credentials) => {
        const request = this.dialog.request(method);
        complete(request);
        addHeaders(request, credentials);
        return request;
      },
    });
    return reply;
  }

  /** Behind our 2xx a BYE waits for its ACK (RFC 3261 §15); behind the peer's, the ACK goes first, though it has no answer. */
  async #bye(reason: string | undefined): Promise<void> {
    if (this.#acceptance !== undefined) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#afterAck = resolve;
      await promise;
    }
    if (this.acks.owed > 0) this.acknowledge(this.acks.owed);
    const { origin } = await this.#ask('BYE', ({ headers }) => {
      if (reason !== undefined) headers.append('Reason', reason);
    });
    // Neither a flow that was lost nor a reason that cannot be written may keep the peer in the call.
    const again = origin === 'transport' || (origin === 'unsent' && reason !== undefined);
    if (again) await this.#ask('BYE', () => undefined);
    this.#forget();
  }

  #agree(response: SipResponse): void {
    this.learn(response);
    if (this.confirmed) this.#time(termsOfResponse(response.headers));
  }

  #time(terms: TimerTerms | undefined): void {
    this.#timer?.close();
    this.#timer = terms === undefined ? undefined : new SessionTimer(this.core.clock, terms, this);
  }

  #finish(end: SessionEnd): void {
    if (this.#over) return;
    this.#over = true;
    this.#setup?.abandoned();
    this.#timer?.close();
    this.#change?.change.close();
    this.#inquiry?.close();
    this.core.calls.delete(this);
    this.#end(end);
  }

  #forget(): void {
    this.#acceptance?.settle('over');
    this.core.dialogs.delete(this.dialog.localTag, this);
  }
}
