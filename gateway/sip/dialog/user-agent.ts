import { codeOf } from '../../../policies/fault.ts';
import type { SipRequest, SipResponse } from '../message/message.ts';
import { tagOf } from '../message/name-address.ts';
import type {
  Answer,
  ExtraHeaders,
  OutCall,
  OutInvite,
  OutRequest,
  Reply,
  SipHandlers,
  SubscribeResult,
  Trunk,
} from '../port.ts';
import type { Clock } from '../transaction/clock.ts';
import type { ServerTransaction, TransactionUser } from '../transaction/transaction.ts';
import type { Flow } from '../transport/flow.ts';
import { refusalOf } from './admission.ts';
import { SDP_TYPE } from './body.ts';
import { type Core, type DialogLimits, dialogLimits } from './core.ts';
import { undecided } from './decision.ts';
import { Dialogs } from './dialogs.ts';
import { exchange } from './exchange.ts';
import { IncomingRequest } from './incoming-request.ts';
import { ClientCall } from './invite-client.ts';
import { ServerCall } from './invite-server.ts';
import type { Outbound } from './outbound.ts';
import type { Random } from './random.ts';
import { intervalTooSmall } from './reception.ts';
import { ownReply } from './reply.ts';
import { ALLOW, addHeaders, newRequest, SUPPORTED } from './request.ts';
import { answer, later } from './respond.ts';
import { tooShort } from './session-timer.ts';
import type { SubscribeOrder } from './subscriber.ts';
import { type SubscriptionLimits, Subscriptions, subscriptionLimits } from './subscriptions.ts';

/** Whom a request is from, as proven. */
export interface TrunkPlace {
  readonly trunk: Trunk;
  readonly outbound: Outbound;
}

export interface UserAgentOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly handlers: () => SipHandlers;
  /** Told of what the gateway throws and must not; the peer is answered with 500. */
  readonly defect: (error: unknown) => void;
  /**
   * Whose request it is, or the answer that refuses it. One with a To tag belongs to a dialog whose From and To are
   * those that it began with: only its flow tells whom it is from.
   */
  readonly trunkOf: (arrival: Pick<ServerTransaction, 'flow' | 'request'>) => TrunkPlace | Answer;
  readonly limits?: Partial<DialogLimits>;
  readonly subscriptions?: Partial<SubscriptionLimits>;
}

/** Seconds after which a caller whom we turn away for load, or because we stop, may come again. */
const RETRY_AFTER_S = 10;
/** Methods whose request shows where its sender is to be found. */
const withContact: ReadonlySet<string> = new Set(['OPTIONS', 'REFER']);
/** Methods that make sense out of dialog and are the gateway's; the others find no dialog: 481. */
const outOfDialog: ReadonlySet<string> = new Set(['MESSAGE', 'REFER', 'PUBLISH']);

/** The user agent of all trunks, RFC 3261 §8 and up: calls, and requests out of dialog, over the transactions. */
export class UserAgent implements TransactionUser {
  readonly #core: Core;
  readonly #trunkOf: UserAgentOptions['trunkOf'];
  readonly #subscriptions: Subscriptions;
  #draining = false;

  constructor({ clock, random, handlers, defect, trunkOf, limits, subscriptions }: UserAgentOptions) {
    this.#trunkOf = trunkOf;
    this.#subscriptions = new Subscriptions({ ...subscriptionLimits, ...subscriptions });
    this.#core = {
      clock,
      random,
      handlers,
      defect,
      limits: { ...dialogLimits, ...limits },
      dialogs: new Dialogs(),
      calls: new Set(),
      pending: new Map(),
    };
  }

  /** What stands: calls from their INVITE to their end, tags of ours in dialogs, INVITEs and changes not yet answered. */
  get load(): { readonly calls: number; readonly dialogs: number; readonly pending: number } {
    const { calls, dialogs, pending } = this.#core;
    return { calls: calls.size, dialogs: dialogs.size, pending: pending.size };
  }

  invite(trunk: Trunk, outbound: Outbound, invite: OutInvite): OutCall {
    return new ClientCall({ core: this.#core, trunk, outbound }, invite);
  }

  /** Never rejects. */
  subscribe(trunk: Trunk, outbound: Outbound, order: SubscribeOrder): Promise<SubscribeResult> {
    return this.#subscriptions.subscribe({ core: this.#core, trunk, outbound }, order);
  }

  /** A request out of dialog. Never rejects; where its signal aborts, what comes of it is open. */
  async send(outbound: Outbound, out: OutRequest): Promise<Reply> {
    if (out.signal?.aborted === true) return ownReply(408, 'Given Up', 'unsent');
    const { random } = this.#core;
    const ids = { callId: out.callId ?? random.token(), tag: random.token() };
    let cseq = 0;
    const exchanged = exchange(outbound, {
      build: (credentials) => {
        cseq += 1;
        const request = newRequest(out, { ...ids, cseq });
        if (withContact.has(out.method)) request.headers.append('Contact', `<${outbound.contact()}>`);
        addHeaders(request, credentials);
        return request;
      },
    });
    const { signal } = out;
    if (signal === undefined) return (await exchanged).reply;
    const { promise, resolve } = Promise.withResolvers<Reply>();
    const abandon = (): void => resolve(ownReply(408, 'Given Up', 'timeout'));
    signal.addEventListener('abort', abandon, { once: true });
    void exchanged.then(({ reply }) => resolve(reply));
    const reply = await promise;
    signal.removeEventListener('abort', abandon);
    return reply;
  }

  /** New calls are refused with 503 from now on, and OPTIONS says so. */
  drain(): void {
    this.#draining = true;
  }

  /** Ends all calls and subscriptions without waiting; leaves no timer. */
  close(): void {
    this.#draining = true;
    for (const call of [...this.#core.calls]) call.close();
    this.#subscriptions.close();
  }

  /** A new request of a peer. */
  request(transaction: ServerTransaction): void {
    try {
      this.#receive(transaction);
    } catch (error) {
      if (codeOf(error) === 'sip-malformed') throw error;
      const decided = undecided(this.#core, error);
      if (!transaction.ended) answer(transaction, decided);
    }
  }

  #receive(transaction: ServerTransaction): void {
    const { request } = transaction;
    const found = this.#trunkOf(transaction);
    if ('status' in found) {
      answer(transaction, found);
      transaction.forget();
    } else if (tagOf(request.to) !== '') this.#inDialog(transaction, found.trunk);
    else {
      const refusal = refusalOf(request);
      if (refusal !== undefined) answer(transaction, refusal);
      else this.#outOfDialog(transaction, found);
    }
  }

  /** As a request within a dialog: nobody acknowledges a call of another trunk. */
  ack(ack: SipRequest, flow: Flow): void {
    const owner = this.#core.dialogs.ownerOf(ack);
    if (owner === undefined) return;
    const found = this.#trunkOf({ flow, request: ack });
    if (!('status' in found) && found.trunk.id === owner.trunk.id) owner.acknowledged(ack);
  }

  cancelled(transaction: ServerTransaction): void {
    this.#core.pending.get(transaction)?.cancel();
  }

  response(response: SipResponse, flow: Flow): void {
    this.#core.dialogs.ownerOf(response)?.responded(response, flow);
  }

  lost(transaction: ServerTransaction): void {
    this.#core.pending.get(transaction)?.lost();
  }

  /** A dialog of another trunk is one that nobody knows. */
  #inDialog(transaction: ServerTransaction, trunk: Trunk): void {
    const owner = this.#core.dialogs.ownerOf(transaction.request);
    if (owner?.trunk.id === trunk.id) owner.requested(transaction);
    else answer(transaction, { status: 481 });
  }

  #outOfDialog(transaction: ServerTransaction, place: TrunkPlace): void {
    const { method } = transaction.request;
    if (method === 'INVITE') this.#invited(transaction, place);
    else if (method === 'OPTIONS') this.#asked(transaction, place);
    else if (method === 'SUBSCRIBE') this.#subscriptions.receive({ core: this.#core, ...place }, transaction);
    else if (outOfDialog.has(method)) void this.#requested(transaction, place.trunk);
    else answer(transaction, { status: 481 });
  }

  #invited(transaction: ServerTransaction, place: TrunkPlace): void {
    const { calls, limits } = this.#core;
    if (this.#draining || calls.size >= limits.calls) answer(transaction, later(503, RETRY_AFTER_S));
    else if (tooShort(transaction.request.headers)) answer(transaction, intervalTooSmall);
    else this.#take(new ServerCall({ core: this.#core, ...place }, transaction));
  }

  #take(call: ServerCall): void {
    try {
      this.#core.handlers().invite(call);
    } catch (error) {
      call.refuse(undecided(this.#core, error));
    }
  }

  /** RFC 3261 §11.2. */
  #asked(transaction: ServerTransaction, { trunk, outbound }: TrunkPlace): void {
    const headers: ExtraHeaders = [
      ['Contact', `<${outbound.contact()}>`],
      ['Allow', ALLOW],
      ['Accept', SDP_TYPE],
      ['Supported', SUPPORTED],
    ];
    const stopping = this.#draining || trunk.state === 'draining';
    answer(transaction, stopping ? later(503, RETRY_AFTER_S) : { status: 200, headers });
  }

  async #requested(transaction: ServerTransaction, trunk: Trunk): Promise<void> {
    const request = new IncomingRequest(trunk, transaction.request);
    const asked = Promise.try(() => this.#core.handlers().request(request));
    answer(transaction, await asked.catch((error: unknown) => undecided(this.#core, error)));
  }
}
