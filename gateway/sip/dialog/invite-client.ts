import type { ReasonCode } from '../../../policies/reasons.ts';
import type { SipRequest, SipResponse } from '../message/message.ts';
import { tagOf } from '../message/name-address.ts';
import type { CallResult, ExtraHeaders, OutCall, OutInvite, Progress, Reply, Sdp } from '../port.ts';
import type { Timer } from '../transaction/clock.ts';
import type { ClientUser, ServerTransaction } from '../transaction/transaction.ts';
import { sdpOf, setSdp } from './body.ts';
import type { OpenCall } from './core.ts';
import { Dialog } from './dialog.ts';
import type { DialogOwner } from './dialogs.ts';
import { credentialsFor, exchange, sendRequest } from './exchange.ts';
import { LaterForks } from './later-forks.ts';
import type { SentRequest } from './outbound.ts';
import { ReceivedProgress } from './progress.ts';
import { reliableNumber } from './reliable.ts';
import { failureReply, ownReply, PeerReply } from './reply.ts';
import { ALLOW, addHeaders, newRequest, SUPPORTED } from './request.ts';
import { answer } from './respond.ts';
import { OwnSession, type Place, type Setup } from './session.ts';
import { LEAST_INTERVAL, leastInterval } from './session-timer.ts';

/** How often one call is sent again, with credentials or a longer session interval. */
const REPETITIONS = 3;

/** One early dialog of a call of ours. */
interface Branch {
  readonly session: OwnSession;
  /** RSeq of the latest reliable response, 0 for none (RFC 3262 §4). */
  rseq: number;
  /** The answer, where a reliable response had it; what the 2xx repeats of it is left aside (RFC 3261 §13.2.1). */
  answer: Sdp | undefined;
  /** The description that it showed last. */
  shown: Sdp | undefined;
}

/** A call of ours while it is set up (RFC 3261 §13.2): early dialogs by fork, CANCEL, and the first 2xx, which wins. */
export class ClientCall implements OutCall, ClientUser, DialogOwner, Setup, OpenCall {
  readonly callId: string;
  readonly result: Promise<CallResult>;
  onProgress: ((progress: Progress) => void) | undefined = undefined;
  readonly #place: Place;
  readonly #tag: string;
  /** Undefined once the call is settled. */
  #invite: OutInvite | undefined;
  readonly #resolve: (result: CallResult) => void;
  readonly #branches = new Map<string, Branch>();
  #later: LaterForks | undefined;
  /** As it was sent last; undefined before that, and once the call is settled. */
  #request: SipRequest | undefined;
  #sent: SentRequest | undefined;
  #cseq = 0;
  #credentials: ExtraHeaders = [];
  #repetitions = 0;
  #leastSeconds = 0;
  #limit: Timer | undefined;
  #winner: OwnSession | undefined;
  /** What the result is to be, once the INVITE that was given up has its end. */
  #givenUp: Reply | undefined;
  #over = false;

  constructor(place: Place, invite: OutInvite) {
    const { core } = place;
    this.#place = place;
    this.#invite = invite;
    this.#tag = core.random.token();
    this.callId = invite.callId ?? core.random.token();
    const { promise, resolve } = Promise.withResolvers<CallResult>();
    this.result = promise;
    this.#resolve = resolve;
    if (invite.signal?.aborted === true) this.#fail(ownReply(487, 'Request Terminated', 'unsent'));
    else if (core.calls.size >= core.limits.calls) this.#fail(ownReply(503, 'Too Many Calls', 'unsent'));
    else this.#start();
  }

  get trunk(): Place['trunk'] {
    return this.#place.trunk;
  }

  /** The signal of the request aborted. */
  handleEvent(): void {
    this.#giveUp(ownReply(487, 'Request Terminated', 'peer'));
  }

  close(): void {
    this.#giveUp(ownReply(503, 'Shutting Down', 'transport'));
    this.#fail(ownReply(503, 'Shutting Down', 'transport'));
  }

  provisional(response: SipResponse): void {
    if (this.#over || response.status === 100) return;
    const tag = tagOf(response.to);
    const branch = tag === '' ? undefined : this.#branch(tag, response);
    const rseq = reliableNumber(response);
    const sdp = sdpOf(response);
    if (branch !== undefined) {
      branch.session.learn(response);
      branch.session.dialog.refresh(response);
      if (rseq !== undefined && !this.#acknowledge(branch, rseq)) return;
      branch.shown = sdp ?? branch.shown;
      if (sdp !== undefined && rseq !== undefined && branch.answer === undefined) {
        branch.answer = sdp;
        branch.session.offers = 'settled';
      }
    }
    if (this.#givenUp === undefined) this.onProgress?.(new ReceivedProgress(response, sdp, tag, branch?.session));
    // RFC 6228: this early dialog is over, the call goes on with the others.
    if (response.status === 199 && this.#branches.delete(tag)) branch?.session.abandon();
  }

  final(response: SipResponse): void {
    if (response.status < 300) this.#accepted(response);
    else if (!this.#over) void this.#refused(new PeerReply(response));
  }

  failed(cause: 'timeout' | 'transport', unsent?: boolean, why?: ReasonCode): void {
    this.#fail(this.#givenUp ?? failureReply(cause, unsent, why));
  }

  requested(transaction: ServerTransaction): void {
    const branch = this.#branches.get(tagOf(transaction.request.from));
    if (branch === undefined) answer(transaction, { status: 481 });
    else branch.session.requested(transaction);
  }

  acknowledged(): void {}

  responded(response: SipResponse): void {
    this.#accepted(response);
  }

  provisionalAcknowledged(): boolean {
    return false;
  }

  /** One early dialog is over; the call goes on with the others (RFC 3261 §15). */
  abandoned(): void {}

  #start(): void {
    const { core } = this.#place;
    this.#invite?.signal?.addEventListener('abort', this, { once: true });
    core.calls.add(this);
    core.dialogs.set(this.#tag, this);
    this.#limit = core.clock.setTimeout(
      () => this.#giveUp(ownReply(408, 'Request Timeout', 'timeout')),
      core.limits.setupMs,
    );
    this.#send([]);
  }

  #send(credentials: ExtraHeaders): void {
    const { core, outbound } = this.#place;
    if (this.#invite === undefined) return;
    const { offer, ...rest } = this.#invite;
    this.#cseq += 1;
    this.#credentials = credentials;
    const ids = { callId: this.callId, tag: this.#tag, cseq: this.#cseq };
    const request = newRequest({ ...rest, method: 'INVITE' }, ids);
    const { headers } = request;
    headers.append('Contact', `<${outbound.contact()}>`).append('Allow', ALLOW);
    // Without an offer a reliable 1xx would have one, and its PRACK the answer: there is nobody to ask for it so early.
    headers.append('Supported', offer === undefined ? 'timer, norefersub' : SUPPORTED);
    headers.append('Session-Expires', String(Math.max(core.limits.sessionSeconds, this.#leastSeconds)));
    if (this.#leastSeconds > LEAST_INTERVAL) headers.append('Min-SE', String(this.#leastSeconds));
    addHeaders(request, credentials);
    setSdp(request, offer);
    this.#request = request;
    const sent = sendRequest(outbound, request, this, undefined);
    if ('status' in sent) this.#fail(sent);
    else this.#sent = sent;
  }

  /** The early dialog of a To tag; undefined past the bound. */
  #branch(tag: string, response: SipResponse): Branch | undefined {
    const known = this.#branches.get(tag);
    if (known !== undefined) return known;
    if (this.#branches.size >= this.#place.core.limits.earlyDialogs) return undefined;
    const branch = this.#newBranch(response);
    if (branch !== undefined) this.#branches.set(tag, branch);
    return branch;
  }

  #newBranch(response: SipResponse): Branch | undefined {
    if (this.#request === undefined) return undefined;
    const session = new OwnSession(this.#place, Dialog.ofResponse(this.#request, response, this.#sent?.flow), this);
    session.offers = this.#invite?.offer === undefined ? 'settled' : 'ours';
    session.leastSeconds = Math.max(session.leastSeconds, this.#leastSeconds);
    return { session, rseq: 0, answer: undefined, shown: undefined };
  }

  /** PRACK to a reliable 1xx; false where it came before, or one before it is still missing (RFC 3262 §4). */
  #acknowledge(branch: Branch, rseq: number): boolean {
    if (branch.rseq !== 0 && rseq !== branch.rseq + 1) return false;
    branch.rseq = rseq;
    const { dialog } = branch.session;
    const rack = `${rseq} ${this.#cseq} INVITE`;
    void exchange(this.#place.outbound, {
      dialog,
      build: (credentials) => {
        const request = dialog.request('PRACK');
        request.headers.append('RAck', rack);
        addHeaders(request, credentials);
        return request;
      },
    });
    return true;
  }

  #accepted(response: SipResponse): void {
    const tag = tagOf(response.to);
    const cseq = response.cseq.number;
    if (this.#winner?.dialog.remoteTag === tag) this.#winner.acks.again(cseq);
    else if (this.#winner !== undefined || this.#over || this.#givenUp !== undefined) this.#release(response);
    else this.#won(this.#branches.get(tag) ?? this.#newBranch(response), response, cseq);
  }

  #won(branch: Branch | undefined, response: SipResponse, cseq: number): void {
    const late = this.#invite?.offer === undefined;
    const sdp = branch?.answer ?? sdpOf(response) ?? (late ? undefined : branch?.shown);
    if (branch === undefined || branch.session.over || sdp === undefined) {
      this.#release(response);
      this.#fail(ownReply(488, 'No Session Description', 'peer'));
      return;
    }
    const { session } = branch;
    this.#winner = session;
    session.dialog.flow = this.#sent?.flow ?? session.dialog.flow;
    session.acks.credentials = this.#credentials;
    session.confirm(response);
    if (late) {
      session.oweAck(cseq);
      const ack = (answered: Sdp): void => {
        session.acknowledge(cseq, answered);
        session.described(answered);
      };
      this.#settle({ ok: true, session, sdp, ack });
    } else {
      session.acknowledge(cseq);
      if (branch.answer === undefined) session.offers = 'settled';
      session.described(this.#invite?.offer ?? '');
      this.#settle({ ok: true, session, sdp });
    }
  }

  #release(response: SipResponse): void {
    if (this.#request !== undefined) this.#later ??= new LaterForks(this.#place, this.#request);
    this.#later?.release(response, this.#sent?.flow);
    if (this.#givenUp !== undefined) this.#fail(this.#givenUp);
  }

  async #refused(reply: Reply): Promise<void> {
    if (this.#givenUp !== undefined) return this.#fail(reply.status === 487 ? this.#givenUp : reply);
    if (this.#request === undefined || this.#repetitions >= REPETITIONS) return this.#fail(reply);
    const credentials = this.#raised(reply) ? [] : await credentialsFor(this.#place.outbound, this.#request, reply);
    if (credentials === undefined || this.#over) return this.#fail(reply);
    if (this.#givenUp !== undefined) return this.#fail(this.#givenUp);
    this.#repetitions += 1;
    this.#dropBranches();
    this.#send(credentials);
  }

  /** A 422 asks for a longer session interval (RFC 4028 §7.3). */
  #raised(reply: Reply): boolean {
    const least = reply.status === 422 ? (leastInterval(reply.headers) ?? 0) : 0;
    if (least <= this.#leastSeconds) return false;
    this.#leastSeconds = least;
    return true;
  }

  #giveUp(reply: Reply): void {
    if (this.#over || this.#givenUp !== undefined) return;
    this.#givenUp = reply;
    this.#sent?.cancel();
  }

  #fail(reply: Reply): void {
    this.#settle({ ok: false, reply });
  }

  #settle(result: CallResult): void {
    if (this.#over) return;
    this.#over = true;
    const { core } = this.#place;
    this.#invite?.signal?.removeEventListener('abort', this);
    this.#limit?.clear();
    core.calls.delete(this);
    core.dialogs.delete(this.#tag, this);
    this.#dropBranches();
    if (result.ok && this.#request !== undefined) this.#later ??= new LaterForks(this.#place, this.#request);
    // What is left of it stays as long as its transaction, 32 s behind a 2xx.
    this.#request = undefined;
    this.#invite = undefined;
    this.#resolve(result);
  }

  #dropBranches(): void {
    for (const { session } of this.#branches.values()) if (session !== this.#winner) session.abandon();
    this.#branches.clear();
  }
}
