import { SipRequest, type SipResponse } from '../message/message.ts';
import { serialise } from '../message/serialise.ts';
import type { ExtraHeaders } from '../port.ts';
import type { Flow } from '../transport/flow.ts';
import type { Timer } from './clock.ts';
import { ackTo, cancelOf } from './hop-requests.ts';
import type { Expiring } from './server.ts';
import type { TimerQueue } from './timer-queue.ts';
import type { ClientState, ClientTransaction, ClientUser } from './transaction.ts';

/** What client transactions stand on. */
export interface ClientGround {
  /** 64*T1. */
  readonly limits: TimerQueue<Expiring>;
  ended(client: Client): void;
}

const nothing = Buffer.alloc(0);
/** In the place of an INVITE with a 2xx: nothing is made of it any more, and its transaction stays for 32 s. */
const accepted = new SipRequest('INVITE', '');

/** A client transaction: RFC 3261 §17.1 with RFC 6026 §7.2, on reliable transports. */
export class Client implements ClientTransaction, Expiring {
  readonly key: string;
  readonly flow: Flow;
  /** The sent-by of its Via, which the responses must have. */
  readonly sentBy: string;
  readonly #invite: boolean;
  readonly #user: ClientUser;
  readonly #ground: ClientGround;
  #request: SipRequest;
  #state: ClientState;
  #timer: Timer | undefined;
  /** Ready to be sent. */
  #cancel: Buffer | undefined;
  #cancelled = false;
  #writing = true;

  constructor(
    place: { readonly key: string; readonly sentBy: string; readonly flow: Flow },
    request: SipRequest,
    user: ClientUser,
    ground: ClientGround,
  ) {
    this.key = place.key;
    this.sentBy = place.sentBy;
    this.flow = place.flow;
    this.#request = request;
    this.#invite = request.method === 'INVITE';
    this.#state = this.#invite ? 'calling' : 'trying';
    this.#user = user;
    this.#ground = ground;
  }

  /** As it was sent, but for its body; an empty one behind a 2xx to an INVITE. */
  get request(): SipRequest {
    return this.#request;
  }

  get state(): ClientState {
    return this.#state;
  }

  /** Writes the request and starts timer B or F. */
  start(bytes: Buffer): void {
    this.#timer = this.#ground.limits.add(this);
    this.flow.send(bytes);
    this.request.body = nothing;
    this.#writing = false;
  }

  /** Ends before it has begun: nothing is written, and the user learns it once it has the transaction in hand. */
  refuse(): void {
    this.#state = 'terminated';
    queueMicrotask(() => this.#user.failed('transport', true));
  }

  cancel(headers?: ExtraHeaders): void {
    if (!this.#invite || this.#cancelled || (this.#state !== 'calling' && this.#state !== 'proceeding')) return;
    this.#cancel = serialise(cancelOf(this.request, headers));
    this.#cancelled = true;
    if (this.#state === 'proceeding') this.#sendCancel();
  }

  receive(response: SipResponse): void {
    const { status } = response;
    if (this.#state === 'terminated') return;
    if (this.#state === 'accepted') {
      if (status >= 200 && status < 300) this.#user.final(response);
    } else if (status < 200) this.#provisional(response);
    else if (!this.#invite) this.#final(response);
    else if (status < 300) this.#accepted(response);
    else {
      const ack = serialise(ackTo(this.request, response));
      if (this.flow.open) this.flow.send(ack);
      this.#final(response);
    }
  }

  flowClosed(): void {
    // The flow may end while the request is being written, when the user has no transaction in hand yet.
    if (this.#writing) queueMicrotask(() => this.#fail('transport'));
    else this.#fail('transport');
  }

  /** Timers B, F, M and the wait behind a CANCEL. */
  expire(): void {
    if (this.#state === 'accepted') this.#end();
    else this.#fail('timeout');
  }

  /** Ends it with all others. */
  close(): void {
    if (this.#state === 'accepted') this.#end();
    else this.#fail('transport');
  }

  #fail(cause: 'timeout' | 'transport'): void {
    if (this.#state === 'accepted' || this.#state === 'terminated') return;
    this.#end();
    this.#user.failed(cause);
  }

  #provisional(response: SipResponse): void {
    const first = this.#state === 'calling';
    this.#state = 'proceeding';
    if (first) {
      // From here on the callee's patience counts, not ours.
      this.#timer?.clear();
      if (this.#cancelled) this.#sendCancel();
    }
    this.#user.provisional(response);
  }

  #sendCancel(): void {
    const bytes = this.#cancel;
    if (bytes === undefined) return;
    this.#cancel = undefined;
    this.#timer = this.#ground.limits.add(this);
    if (this.flow.open) this.flow.send(bytes);
  }

  #accepted(response: SipResponse): void {
    this.#timer?.clear();
    this.#state = 'accepted';
    this.#request = accepted;
    this.#cancel = undefined;
    this.#timer = this.#ground.limits.add(this);
    this.#user.final(response);
  }

  #final(response: SipResponse): void {
    this.#end();
    this.#user.final(response);
  }

  #end(): void {
    this.#timer?.clear();
    this.#state = 'terminated';
    this.#cancel = undefined;
    this.#ground.ended(this);
  }
}
