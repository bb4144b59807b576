import { refusalInDialog } from '../dialog/admission.ts';
import { sdpOf, setBody } from '../dialog/body.ts';
import { overlapDelay } from '../dialog/glare.ts';
import { IncomingRequest } from '../dialog/incoming-request.ts';
import { ownReply } from '../dialog/reply.ts';
import { ALLOW, addHeaders, SUPPORTED } from '../dialog/request.ts';
import { later } from '../dialog/respond.ts';
import { Headers } from '../message/headers.ts';
import { SipRequest } from '../message/message.ts';
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
import type { Arrival } from './arrival.ts';
import { Changes } from './changes.ts';
import { ackContent, DIALOG_TARGET } from './content.ts';
import { type Acknowledge, exchange } from './exchange.ts';
import type { DialogOwner, Ground } from './ground.ts';

export interface SessionDialog {
  /** The server's name of it. */
  readonly dialogId: string;
  readonly callId: string;
  readonly remote: Party;
  /** Whether the Call-ID is ours, which tells who waits longer after a glare. */
  readonly initiator: boolean;
}

const OVER = 'Call Is Over';
/** What every 2xx within a call says of us. */
const capabilities: ExtraHeaders = [
  ['Allow', ALLOW],
  ['Supported', SUPPORTED],
];

/** An INVITE dialog of a drachtio server that stands. The server keeps the session timer (RFC 4028) by itself. */
export class DrachtioSession implements Session, DialogOwner {
  readonly id: string;
  readonly trunk: Trunk;
  readonly callId: string;
  readonly remote: Party;
  readonly ended: Promise<SessionEnd>;
  onModify: ((offer: Sdp | undefined, signal: AbortSignal) => Promise<ModifyAnswer>) | undefined = undefined;
  onRequest: ((request: InRequest) => Promise<Answer>) | undefined = undefined;
  readonly #ground: Ground;
  readonly #dialogId: string;
  readonly #end: (end: SessionEnd) => void;
  #over = false;
  #asking = 0;
  #asked = 0;
  readonly #changes: Changes;
  /** The 2xx with an offer that still has no ACK of ours. */
  #owedAck: Acknowledge | undefined;
  /** The gateway decides about a change of the peer. */
  #decision: AbortController | undefined;
  /** Told of the ACK to our 2xx; undefined where none is awaited. */
  #acked: ((sdp: Sdp | undefined) => void) | undefined;
  #afterAck: (() => void) | undefined;
  #farewell: Promise<void> = Promise.resolve();

  constructor(ground: Ground, trunk: Trunk, { dialogId, callId, remote, initiator }: SessionDialog) {
    this.#ground = ground;
    this.trunk = trunk;
    this.id = ground.random.token();
    this.callId = callId;
    this.remote = remote;
    this.#dialogId = dialogId;
    const { promise, resolve } = Promise.withResolvers<SessionEnd>();
    this.ended = promise;
    this.#end = resolve;
    this.#changes = new Changes({
      ground,
      dialogId,
      initiator,
      over: () => this.#over,
      busy: () => this.#busy(),
      oweAck: (ack) => this.oweAck(ack),
      vanished: () => this.#finish({ by: 'peer' }),
      end: (reason) => void this.end(reason),
    });
    ground.owners.add(this);
    ground.dialogs.set(dialogId, this);
  }

  get over(): boolean {
    return this.#over;
  }

  modify(offer: Sdp | undefined, headers: ExtraHeaders = []): Promise<Modified> {
    return this.#changes.modify(offer, [...capabilities, ...headers]);
  }

  async request(
    method: string,
    { headers, body }: { readonly headers?: ExtraHeaders; readonly body?: Body },
  ): Promise<Reply> {
    if (this.#over) return ownReply(481, OVER, 'unsent');
    if (this.#asking >= this.#ground.limits.pendingRequests) return ownReply(503, 'Too Many Requests', 'unsent');
    this.#asking += 1;
    const { reply } = await exchange(this.#ground, this.#newRequest(method, headers, body), {
      dialogId: this.#dialogId,
    });
    this.#asking -= 1;
    if (reply.status === 481) this.#finish({ by: 'peer' });
    return reply;
  }

  end(reason?: string): Promise<void> {
    if (!this.#over) {
      const afterAck = this.#acked !== undefined;
      const owed = this.#owedAck;
      this.#finish({ by: 'us', reason });
      this.#farewell = this.#bye(reason, afterAck, owed);
    }
    return this.#farewell;
  }

  requested(arrival: Arrival): void {
    const { request } = arrival;
    const { method } = request;
    if (method === 'BYE') {
      arrival.answer({ status: 200 });
      this.#finish({ by: 'peer', reason: request.headers.get('Reason') });
      return;
    }
    const refusal = this.#over ? { status: 481 } : refusalInDialog(request);
    if (refusal !== undefined) arrival.answer(refusal);
    else if (method === 'INVITE') this.#invited(arrival);
    else if (method === 'UPDATE') this.#updated(arrival);
    else if (method === 'OPTIONS') arrival.answer({ status: 200, headers: capabilities });
    else if (method === 'PRACK') arrival.answer({ status: 200 });
    else void this.#ask(arrival);
  }

  acknowledged(ack: SipRequest): void {
    const told = this.#acked;
    this.#acked = undefined;
    told?.(sdpOf(ack));
    this.#afterAck?.();
  }

  /** Awaits the ACK of a 2xx that is being sent. */
  awaitAck(told: (sdp: Sdp | undefined) => void): void {
    this.#acked = told;
  }

  /**
   * Keeps the way to send the ACK of a 2xx with an offer; the answer may come late, or the call end before. What it
   * returns throws as {@link ackContent}, with the call ended.
   */
  oweAck(ack: Acknowledge): (answer: Sdp) => void {
    this.#owedAck = ack;
    return (answer) => {
      if (this.#owedAck !== ack) return;
      this.#owedAck = undefined;
      try {
        ack(ackContent(answer));
      } catch (error) {
        ack();
        void this.end('SIP;cause=488;text="Unusable Answer"');
        throw error;
      }
    };
  }

  expired(bye: SipRequest): void {
    this.#finish({ by: 'timeout', reason: bye.headers.get('Reason') });
  }

  lost(): void {
    this.#finish({ by: 'transport', reason: 'The drachtio server is gone.' });
  }

  close(): void {
    void this.end();
    this.#afterAck?.();
  }

  #busy(): boolean {
    return this.#decision !== undefined || this.#acked !== undefined || this.#owedAck !== undefined;
  }

  /** A re-INVITE (RFC 3261 §14.2). */
  #invited(arrival: Arrival): void {
    if (this.#changes.inviting) arrival.answer({ status: 491 });
    else if (this.#busy()) arrival.answer(later(500, overlapDelay(this.#ground.random)));
    else void this.#decide(arrival);
  }

  /** RFC 3311 §5.2; without an offer it only refreshes. */
  #updated(arrival: Arrival): void {
    if (sdpOf(arrival.request) === undefined) arrival.answer({ status: 200, headers: capabilities });
    else this.#invited(arrival);
  }

  async #decide(arrival: Arrival): Promise<void> {
    const decision = new AbortController();
    this.#decision = decision;
    arrival.onCancel(() => decision.abort());
    const { onModify } = this;
    const refuse: ModifyAnswer = { refuse: { status: 488 } };
    const decided = await Promise.try(() => onModify?.(sdpOf(arrival.request), decision.signal) ?? refuse).catch(
      (): ModifyAnswer => ({ refuse: { status: 500 } }),
    );
    this.#decision = undefined;
    if (arrival.answered) return;
    if (this.#over) arrival.answer({ status: 487 });
    else if ('refuse' in decided) arrival.answer(decided.refuse);
    else this.#accept(arrival, decided);
  }

  #accept(arrival: Arrival, { sdp, ack }: Extract<ModifyAnswer, { readonly sdp: Sdp }>): void {
    const body = { type: 'application/sdp', content: Buffer.from(sdp) };
    const invite = arrival.request.method === 'INVITE';
    if (invite) {
      this.awaitAck((answer) => {
        if (answer !== undefined) ack?.(answer);
      });
    }
    arrival.answer({ status: 200, headers: capabilities, body }, (sent) => {
      if (!(sent instanceof Error) || !invite) return;
      this.acknowledged(new SipRequest('ACK', DIALOG_TARGET));
    });
  }

  /** What the gateway answers; by default nobody is sent elsewhere, and nothing else is known. */
  async #ask(arrival: Arrival): Promise<void> {
    const { onRequest } = this;
    const { method } = arrival.request;
    if (!ASKED.has(method)) arrival.answer({ status: 405 });
    else if (onRequest === undefined) arrival.answer({ status: method === 'REFER' ? 403 : 405 });
    else if (this.#asked >= this.#ground.limits.pendingRequests) {
      arrival.answer(later(500, overlapDelay(this.#ground.random)));
    } else {
      this.#asked += 1;
      const request = new IncomingRequest(this.trunk, arrival.request, this);
      const decided = await Promise.try(() => onRequest(request)).catch((): Answer => ({ status: 500 }));
      this.#asked -= 1;
      arrival.answer(decided);
    }
  }

  /** Behind our 2xx a BYE waits for its ACK (RFC 3261 §15); behind the peer's, the ACK goes first, though it has no answer. */
  async #bye(reason: string | undefined, afterAck: boolean, owed: Acknowledge | undefined): Promise<void> {
    if (afterAck) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#afterAck = resolve;
      const limit = this.#ground.clock.setTimeout(resolve, this.#ground.limits.setupMs);
      await promise;
      limit.clear();
    }
    owed?.();
    const headers: ExtraHeaders = reason === undefined ? [] : [['Reason', reason]];
    await exchange(this.#ground, this.#newRequest('BYE', headers), { dialogId: this.#dialogId });
    this.#forget();
  }

  #newRequest(method: string, headers?: ExtraHeaders, body?: Body): SipRequest {
    const request = new SipRequest(method, DIALOG_TARGET, new Headers());
    addHeaders(request, headers);
    if (body !== undefined) setBody(request, body);
    return request;
  }

  #finish(end: SessionEnd): void {
    if (this.#over) return;
    this.#over = true;
    this.#changes.close();
    this.#decision?.abort();
    this.#owedAck = undefined;
    const acked = this.#acked;
    if (end.by !== 'us') {
      this.#acked = undefined;
      acked?.(undefined);
      this.#forget();
    }
    this.#end(end);
  }

  #forget(): void {
    this.#ground.owners.delete(this);
    if (this.#ground.dialogs.get(this.#dialogId) === this) this.#ground.dialogs.delete(this.#dialogId);
    this.#afterAck?.();
  }
}

/** Methods that the gateway is asked about. */
const ASKED: ReadonlySet<string> = new Set(['INFO', 'MESSAGE', 'REFER', 'NOTIFY']);
