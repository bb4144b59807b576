import type { SipRequest, SipResponse } from '../message/message.ts';
import { serialise } from '../message/serialise.ts';
import type { Flow } from '../transport/flow.ts';
import type { Timer } from './clock.ts';
import { respondTo, tagged, toTagOf } from './response.ts';
import type { TimerQueue } from './timer-queue.ts';
import type { ServerState, ServerTransaction } from './transaction.ts';

/** What has a time limit. */
export interface Expiring {
  expire(): void;
}

/** What server transactions stand on. */
export interface ServerGround {
  /** 64*T1. */
  readonly limits: TimerQueue<Expiring>;
  /** 200 ms, for the 100. */
  readonly trying: TimerQueue<Server>;
  random(): string;
  /** Another open flow to the peer. */
  flowFor(transaction: ServerTransaction): Flow | undefined;
  moved(server: Server, from: Flow): void;
  answered(server: Server, status: number): void;
  lost(transaction: ServerTransaction): void;
  ended(server: Server): void;
}

/**
 * A server transaction as the index keeps it: RFC 3261 §17.2 with RFC 6026 §7.1, on reliable transports.
 *
 * Behind the final response it holds no more than that response's bytes, and none at all behind a 2xx: for 64*T1 there
 * are many of them.
 */
export class Server implements Expiring {
  readonly key: string;
  readonly invite: boolean;
  /** In the index of merged requests; undefined where it is not, or no longer this one's to take out. */
  merged: string | undefined;
  /** The peer among whose pending ones it is counted. */
  standsFor: string | undefined;
  #flow: Flow;
  #state: ServerState;
  /** Until the final response. */
  #transaction: ServerTransaction | undefined;
  #tag: string | undefined;
  /** Bytes as Latin-1 text: a Buffer would keep alive the slab that it shares with others. */
  #last: string | undefined;
  #cancelled = false;
  #timer: Timer;
  readonly #ground: ServerGround;

  constructor(key: string, request: SipRequest, flow: Flow, ground: ServerGround) {
    this.key = key;
    this.invite = request.method === 'INVITE';
    this.#flow = flow;
    this.#state = this.invite ? 'proceeding' : 'trying';
    this.#ground = ground;
    this.#transaction = new Handle(this, request);
    // Behind 64*T1 nobody waits for the response to a request other than INVITE (timer F of the client).
    this.#timer = this.invite ? ground.trying.add(this) : ground.limits.add(this);
  }

  get flow(): Flow {
    return this.#flow;
  }

  get state(): ServerState {
    return this.#state;
  }

  /** What the user holds; undefined behind the final response. */
  get transaction(): ServerTransaction | undefined {
    return this.#transaction;
  }

  get tag(): string {
    this.#tag ??= this.#ground.random();
    return this.#tag;
  }

  /** Whether it still counts among those of its flow: a final response or its ACK is to come. */
  get pending(): boolean {
    return this.#state !== 'accepted' && this.#state !== 'terminated';
  }

  respond(response: SipResponse, transaction: ServerTransaction): void {
    const { status } = response;
    const repeat = this.#state === 'accepted' && status >= 200 && status < 300;
    if (this.#transaction === undefined && !repeat) return;
    // A 100 needs no tag.
    const tag = status === 100 ? undefined : toTagOf(response) || this.tag;
    const bytes = serialise(tag === undefined ? response : tagged(response, tag));
    this.#tag = tag ?? this.#tag;
    if (!repeat) this.#enter(status, bytes);
    this.#send(bytes, transaction);
  }

  /** 200 ms have passed without a response to an INVITE (§17.2.1). */
  tryingDue(): void {
    const transaction = this.#transaction;
    if (transaction !== undefined) transaction.respond(respondTo(transaction.request, 100));
  }

  /** The request came again, perhaps on another flow of the peer, which then is where it listens. */
  repeated(flow: Flow): void {
    this.#move(flow);
    if (this.#state !== 'accepted' && this.#last !== undefined) flow.send(Buffer.from(this.#last, 'latin1'));
  }

  /** ACK with the branch of the INVITE; true where it is that of a 2xx, for the user. */
  acknowledged(): boolean {
    if (this.#state === 'completed') this.#end();
    return this.#state === 'accepted';
  }

  forget(): void {
    if (this.#state === 'completed') this.#end();
  }

  /** CANCEL: the transaction to tell the user of, the first time and before a final response. */
  cancelled(): ServerTransaction | undefined {
    if (this.#cancelled) return undefined;
    this.#cancelled = true;
    return this.#transaction;
  }

  flowClosed(): void {
    const transaction = this.#transaction;
    if (transaction === undefined) return;
    const other = this.#otherFlow(transaction);
    if (other === undefined) this.#ground.lost(transaction);
    else this.#move(other);
  }

  /** Ends it with all others. */
  close(): void {
    const transaction = this.#transaction;
    this.#end();
    if (transaction !== undefined) this.#ground.lost(transaction);
  }

  /** Timers H and L, and the end of a request that nobody answered. */
  expire(): void {
    this.#end();
  }

  #enter(status: number, bytes: Buffer): void {
    if (this.invite || status >= 200) this.#timer.clear();
    if (status < 200) {
      this.#state = 'proceeding';
      this.#last = bytes.toString('latin1');
      return;
    }
    this.#transaction = undefined;
    if (!this.invite) {
      // J is 0 on reliable transports.
      this.#ground.answered(this, status);
      this.#end();
      return;
    }
    this.#state = status < 300 ? 'accepted' : 'completed';
    // A 2xx is repeated by the user alone (RFC 6026 §7.1).
    this.#last = this.#state === 'completed' ? bytes.toString('latin1') : undefined;
    this.#timer = this.#ground.limits.add(this);
    this.#ground.answered(this, status);
  }

  #send(bytes: Buffer, transaction: ServerTransaction): void {
    if (!this.#flow.open) {
      const other = this.#otherFlow(transaction);
      if (other === undefined) return;
      this.#move(other);
    }
    this.#flow.send(bytes);
  }

  #otherFlow(transaction: ServerTransaction): Flow | undefined {
    const other = this.#ground.flowFor(transaction);
    return other?.open === true && other !== this.#flow ? other : undefined;
  }

  #move(flow: Flow): void {
    if (flow === this.#flow) return;
    const from = this.#flow;
    this.#flow = flow;
    this.#ground.moved(this, from);
  }

  #end(): void {
    this.#timer.clear();
    this.#state = 'terminated';
    this.#transaction = undefined;
    this.#last = undefined;
    this.#ground.ended(this);
  }
}

/** What the user holds of a transaction: with the request, for as long as the user wants it. */
class Handle implements ServerTransaction {
  readonly request: SipRequest;
  readonly #server: Server;

  constructor(server: Server, request: SipRequest) {
    this.#server = server;
    this.request = request;
  }

  get flow(): Flow {
    return this.#server.flow;
  }

  get state(): ServerState {
    return this.#server.state;
  }

  get tag(): string {
    return this.#server.tag;
  }

  get ended(): boolean {
    return this.#server.transaction === undefined;
  }

  respond(response: SipResponse): void {
    this.#server.respond(response, this);
  }

  forget(): void {
    this.#server.forget();
  }
}
