import { bodyOf, sdpOf, setSdp } from '../dialog/body.ts';
import { partyOf } from '../dialog/incoming-request.ts';
import { ownReply, PeerReply } from '../dialog/reply.ts';
import { ALLOW, newRequest } from '../dialog/request.ts';
import type { SipRequest, SipResponse } from '../message/message.ts';
import { tagOf } from '../message/name-address.ts';
import type { CallResult, ExtraHeaders, OutCall, OutInvite, Progress, Reply, Sdp } from '../port.ts';
import type { Timer } from '../transaction/clock.ts';
import { FIRST_CSEQ } from './content.ts';
import { type Acknowledge, ClientExchange } from './exchange.ts';
import { freeCallId, type Ground, type Owner } from './ground.ts';
import type { Road } from './road.ts';
import { DrachtioSession } from './session.ts';

/** A call of ours while it is set up. A drachtio server shows the first 2xx alone: what other forks answer it ends. */
export class DrachtioOutCall implements OutCall, Owner {
  readonly callId: string;
  readonly result: Promise<CallResult>;
  onProgress: ((progress: Progress) => void) | undefined = undefined;
  readonly #ground: Ground;
  readonly #trunk: Road;
  readonly #invite: OutInvite;
  readonly #tag: string;
  readonly #resolve: (result: CallResult) => void;
  /** By fork: the description that its reliable response had, or that it showed last. */
  readonly #shown = new Map<string, Sdp>();
  #attempts = 0;
  #target = 0;
  #exchange: ClientExchange | undefined;
  #limit: Timer | undefined;
  #givenUp: Reply | undefined;
  #over = false;

  constructor(ground: Ground, trunk: Road, invite: OutInvite) {
    this.#ground = ground;
    this.#trunk = trunk;
    this.#invite = invite;
    this.callId = freeCallId(ground, invite.callId);
    this.#tag = ground.random.token();
    const { promise, resolve } = Promise.withResolvers<CallResult>();
    this.result = promise;
    this.#resolve = resolve;
    if (invite.signal?.aborted === true) this.#fail(ownReply(487, 'Request Terminated', 'unsent'));
    else if (ground.owners.size >= ground.limits.calls) this.#fail(ownReply(503, 'Too Many Calls', 'unsent'));
    else this.#start();
  }

  /** The signal of the request aborted. */
  handleEvent(): void {
    this.#giveUp(ownReply(487, 'Request Terminated', 'peer'));
  }

  lost(): void {
    // The exchange is told as well.
  }

  close(): void {
    const reply = ownReply(503, 'Shutting Down', 'transport');
    this.#giveUp(reply);
    this.#fail(reply);
  }

  #start(): void {
    const { owners, clock, limits } = this.#ground;
    owners.add(this);
    this.#invite.signal?.addEventListener('abort', this, { once: true });
    this.#limit = clock.setTimeout(() => this.#giveUp(ownReply(408, 'Request Timeout', 'timeout')), limits.setupMs);
    this.#send([]);
  }

  #send(credentials: ExtraHeaders, cseq = FIRST_CSEQ): void {
    const { offer, ...rest } = this.#invite;
    const ids = { callId: this.callId, tag: this.#tag, cseq };
    const headers: ExtraHeaders = [
      ['Allow', ALLOW],
      // Without an offer a reliable 1xx would have one, and its PRACK the answer: there is nobody to ask for it so early.
      ['Supported', offer === undefined ? 'timer, norefersub' : '100rel, timer, norefersub'],
      ['Session-Expires', String(this.#ground.limits.sessionSeconds)],
      ...(rest.headers ?? []),
      ...credentials,
    ];
    const request = newRequest({ ...rest, headers, method: 'INVITE' }, ids);
    setSdp(request, offer);
    this.#trunk.sending(request);
    this.#exchange = new ClientExchange(this.#ground, request, this.#trunk.destination(this.#target), {
      provisional: (response, ack) => this.#progressed(response, ack),
      final: (response, given) => {
        if (response.status < 300) this.#accepted(response, given);
        else void this.#refused(request, response);
      },
      failed: (reply) => this.#failed(reply),
    });
  }

  #progressed(response: SipResponse, ack: Acknowledge): void {
    if (this.#over) return;
    if (response.headers.has('RSeq')) ack();
    const fork = tagOf(response.to);
    const sdp = sdpOf(response);
    if (!this.#shown.has(fork) && this.#shown.size >= this.#ground.limits.earlyDialogs) return;
    if (fork !== '' && sdp !== undefined) this.#shown.set(fork, sdp);
    if (this.#givenUp !== undefined) return;
    const { status, headers } = response;
    this.onProgress?.({ status, headers, body: bodyOf(response), sdp, fork });
  }

  #accepted(response: SipResponse, { ack, dialogId }: { readonly ack: Acknowledge; readonly dialogId: string }): void {
    const { to } = response;
    const late = this.#invite.offer === undefined;
    const sdp = sdpOf(response) ?? (late ? undefined : this.#shown.get(tagOf(to)));
    const session = new DrachtioSession(this.#ground, this.#trunk, {
      dialogId,
      callId: this.callId,
      remote: partyOf(to),
      initiator: true,
    });
    if (this.#over || this.#givenUp !== undefined || sdp === undefined) {
      ack();
      void session.end();
      this.#fail(this.#givenUp ?? ownReply(488, 'No Session Description', 'peer'));
    } else if (late) this.#settle({ ok: true, session, sdp, ack: session.oweAck(ack) });
    else {
      ack();
      this.#settle({ ok: true, session, sdp });
    }
  }

  async #refused(request: SipRequest, response: SipResponse): Promise<void> {
    const reply = new PeerReply(response);
    const challenged = reply.status === 401 || reply.status === 407;
    if (challenged && this.#givenUp === undefined && this.#attempts < CHALLENGES) {
      this.#attempts += 1;
      const credentials = await this.#trunk.authorize(request, reply);
      if (credentials !== undefined && this.#givenUp === undefined && !this.#over) {
        this.#send(credentials, (this.#exchange?.cseq ?? 0) + 1);
        return;
      }
    }
    this.#fail(this.#givenUp ?? reply);
  }

  /** Nothing came of it with one server of the peer: the next one is asked (RFC 3263 §4.3). */
  #failed(reply: Reply): void {
    const elsewhere = reply.origin === 'transport' && this.#ground.link.up && this.#trunk.hasTarget(this.#target + 1);
    if (elsewhere && this.#givenUp === undefined && !this.#over) {
      this.#target += 1;
      this.#send([]);
    } else this.#fail(this.#givenUp ?? reply);
  }

  #giveUp(reply: Reply): void {
    if (this.#over || this.#givenUp !== undefined) return;
    this.#givenUp = reply;
    this.#exchange?.cancel();
  }

  #fail(reply: Reply): void {
    this.#settle({ ok: false, reply });
  }

  #settle(result: CallResult): void {
    if (this.#over) return;
    this.#over = true;
    this.#limit?.clear();
    this.#invite.signal?.removeEventListener('abort', this);
    this.#ground.owners.delete(this);
    this.#resolve(result);
  }
}

/** How often one call is sent again with credentials: once, and once more for a nonce that grew stale. */
const CHALLENGES = 2;
