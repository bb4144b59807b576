import { codeOf, systemText } from '../../../policies/fault.ts';
import type { ReasonCode } from '../../../policies/reasons.ts';
import type { SendOptions, SentRequest } from '../dialog/outbound.ts';
import { SipRequest, type SipResponse } from '../message/message.ts';
import type { ExtraHeaders } from '../port.ts';
import type { ClientTransaction, ClientUser } from '../transaction/transaction.ts';
import type { Flow } from '../transport/flow.ts';
import type { Target } from './locate.ts';
import { keyOf } from './targets.ts';

/** A flow, and the target that it leads to; undefined where the peer opened it and listens nowhere that we know. */
export interface Way {
  readonly flow: Flow;
  readonly target: Target | undefined;
}

/** What a request on its way asks of its trunk. */
export interface Road {
  /** The way that stands and is to be taken first; undefined where one must be opened. */
  standing(request: SipRequest, prefer: Flow | undefined, inDialog: boolean): Way | undefined;
  /** Where it may go, in the order to try. Throws what locating throws. */
  targets(request: SipRequest, inDialog: boolean): Promise<readonly Target[]>;
  /** A flow to the target, opened where none stands; its peer has proven who it is. */
  connect(target: Target, signal: AbortSignal): Promise<Flow>;
  /** Proven flows that the peer opened: taken where no good target can be reached. */
  peerFlows(): Iterable<Flow>;
  /** Throws Fault `sip-unsendable`. */
  transact(flow: Flow, request: SipRequest, user: ClientUser): ClientTransaction;
  /** The target did not serve: tried last for a while, or for as long as it says. */
  avoid(target: Target, ms?: number): void;
  isAvoided(target: Target): boolean;
  /** An answer came, after so many attempts. */
  answered(way: Way, request: SipRequest, response: SipResponse, attempts: number): void;
  /** Nobody answered. */
  unanswered(why: string): void;
}

/** In the place of a request that is answered. */
const ANSWERED = new SipRequest('', '');
/** Attempts for one request, the failing ones too: a target that stays silent takes 32 s. */
const MAX_ATTEMPTS = 8;

/**
 * One request on its way: tried at one target after the other, with a new branch each, where connecting fails, the
 * answer is 503, or none comes (RFC 3263 §4.3). Once somebody is rung at it stays where it is, and so does a MESSAGE that
 * may have arrived.
 */
export class Sending implements ClientUser, SentRequest {
  readonly #road: Road;
  #request: SipRequest;
  readonly #user: ClientUser;
  readonly #prefer: Flow | undefined;
  readonly #inDialog: boolean;
  /** Targets and flows that were tried. */
  readonly #tried = new Set<string>();
  /** There as long as something is being connected. */
  #connecting: AbortController | undefined;
  #attempts = 0;
  #way: Way | undefined;
  #transaction: ClientTransaction | undefined;
  #list: readonly Target[] | undefined;
  #rung = false;
  #cancelled = false;
  #over = false;
  /** Nothing was written so far. */
  #unsent = true;
  #lastCause: 'timeout' | 'transport' = 'transport';
  #why = 'no target is left';
  /** What the targets that could not be reached have in common. */
  #code: ReasonCode | undefined;
  /** The last 503: what is passed on where nobody else answers. */
  #refusal: SipResponse | undefined;

  constructor(road: Road, request: SipRequest, { user, prefer, dialog }: SendOptions) {
    this.#road = road;
    this.#request = request;
    this.#user = user;
    this.#prefer = prefer;
    this.#inDialog = dialog;
  }

  get flow(): Flow | undefined {
    return this.#way?.flow;
  }

  /** Takes the way that stands, where one does. Throws Fault `sip-unsendable`, as `check` does. */
  start(check: (request: SipRequest) => void): this {
    const way = this.#road.standing(this.#request, this.#prefer, this.#inDialog);
    if (way === undefined) return this.begin(check);
    this.#attempt(way);
    return this;
  }

  /** Begins with the first target, whatever stands: so the way back to a better one is found. */
  begin(check: (request: SipRequest) => void): this {
    check(this.#request);
    void this.#next();
    return this;
  }

  cancel(headers?: ExtraHeaders): void {
    if (this.#over || this.#cancelled) return;
    this.#cancelled = true;
    if (this.#transaction !== undefined) this.#transaction.cancel(headers);
    else {
      this.#connecting?.abort();
      this.#over = true;
      queueMicrotask(() => this.#user.failed('transport', this.#unsent));
    }
  }

  provisional(response: SipResponse): void {
    if (response.status > 100) this.#rung = true;
    this.#user.provisional(response);
  }

  final(response: SipResponse): void {
    const way = this.#way;
    if (!this.#over && way !== undefined) this.#road.answered(way, this.#request, response, this.#attempts);
    if (!this.#over && response.status === 503 && !this.#rung && !this.#cancelled) this.#refused(way, response);
    else {
      this.#over = true;
      this.#letGo();
      this.#user.final(response);
    }
  }

  failed(cause: 'timeout' | 'transport', unsent?: boolean): void {
    if (this.#over) return;
    this.#lastCause = cause;
    this.#why = cause === 'timeout' ? 'no answer came' : 'the connection broke';
    if (unsent !== true) this.#unsent = false;
    if (unsent !== true && this.#saysOnce) this.#doubt();
    else if (this.#rung || this.#cancelled) this.#giveUp();
    else {
      // Another connection to the same place will do where nothing was written, or where a repetition is known as one.
      const again = cause === 'transport' && (unsent === true || this.#inDialog);
      const target = this.#way?.target;
      if (target !== undefined && again) this.#again(target);
      else if (target !== undefined) this.#road.avoid(target);
      void this.#next();
    }
  }

  /** Another target, or who receives it there, would not know a MESSAGE again: twice said is worse than told to be in doubt. */
  get #saysOnce(): boolean {
    return this.#request.method === 'MESSAGE' && !this.#inDialog;
  }

  #doubt(): void {
    const target = this.#way?.target;
    if (target !== undefined) this.#road.avoid(target);
    this.#refusal = undefined;
    this.#giveUp();
  }

  /** The transaction of an INVITE outlives its 2xx by 32 s, and this with it: with no more than it needs. */
  #letGo(): void {
    this.#request = ANSWERED;
    this.#list = undefined;
    this.#tried.clear();
  }

  #refused(way: Way | undefined, response: SipResponse): void {
    this.#refusal = response;
    this.#unsent = false;
    const seconds = retryAfter(response);
    if (way?.target !== undefined && seconds > 0) this.#road.avoid(way.target, seconds * 1000);
    void this.#next();
  }

  #again(target: Target): void {
    const key = keyOf(target);
    const twice = `again ${key}`;
    if (this.#tried.has(twice)) return;
    this.#tried.add(twice);
    this.#tried.delete(key);
  }

  #attempt(way: Way): void {
    this.#attempts += 1;
    this.#way = way;
    this.#tried.add(`flow ${way.flow.id}`);
    if (way.target !== undefined) this.#tried.add(keyOf(way.target));
    this.#transaction = this.#road.transact(way.flow, this.#request, this);
  }

  async #next(): Promise<void> {
    this.#transaction = undefined;
    const way = await this.#open();
    if (this.#over) return;
    if (way === undefined || this.#cancelled) this.#giveUp();
    else this.#attempt(way);
  }

  /** Good targets first, then what the peer opened, then what has failed of late. */
  async #open(): Promise<Way | undefined> {
    if (this.#list === undefined) await this.#locate();
    return (await this.#openTarget(false)) ?? this.#peerFlow() ?? (await this.#openTarget(true));
  }

  async #openTarget(avoided: boolean): Promise<Way | undefined> {
    for (const target of this.#list ?? []) {
      if (this.#over || this.#attempts >= MAX_ATTEMPTS) return undefined;
      if (this.#tried.has(keyOf(target)) || (!avoided && this.#road.isAvoided(target))) continue;
      this.#tried.add(keyOf(target));
      const flow = await this.#connect(target);
      if (flow !== undefined && !this.#tried.has(`flow ${flow.id}`)) return { flow, target };
    }
    return undefined;
  }

  #peerFlow(): Way | undefined {
    for (const flow of this.#road.peerFlows()) {
      if (flow.open && !this.#tried.has(`flow ${flow.id}`)) return { flow, target: undefined };
    }
    return undefined;
  }

  async #locate(): Promise<void> {
    try {
      this.#list = await this.#road.targets(this.#request, this.#inDialog);
    } catch (error) {
      this.#notReached(error);
      this.#list = [];
    }
  }

  async #connect(target: Target): Promise<Flow | undefined> {
    try {
      this.#connecting ??= new AbortController();
      return await this.#road.connect(target, this.#connecting.signal);
    } catch (error) {
      if (this.#over) return undefined;
      this.#attempts += 1;
      this.#notReached(error);
      this.#road.avoid(target);
      return undefined;
    }
  }

  #notReached(error: unknown): void {
    const code = codeOf(error);
    this.#why = systemText(error);
    this.#code = this.#code === undefined || this.#code === code ? code : 'remote-unreachable';
  }

  #giveUp(): void {
    this.#over = true;
    if (!this.#cancelled && this.#refusal === undefined) this.#road.unanswered(this.#why);
    if (this.#refusal !== undefined && !this.#cancelled) this.#user.final(this.#refusal);
    else this.#user.failed(this.#lastCause, this.#unsent, this.#code);
  }
}

/** Seconds of Retry-After, without its comment and parameters (RFC 3261 §20.33); 0 where there is none. */
function retryAfter(response: SipResponse): number {
  const digits = /^\d{1,9}/.exec(response.headers.get('Retry-After') ?? '')?.[0];
  return digits === undefined ? 0 : Number(digits);
}
