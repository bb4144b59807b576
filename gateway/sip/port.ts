/**
 * The seam between the gateway and whichever SIP stack carries its trunks: nothing of Via, branch, CSeq, tags, Route,
 * ACK, timers or sockets crosses it. Our own stack and drachtio-srf implement it.
 */

/** A session description as text, `application/sdp`. */
export type Sdp = string;

export interface Body {
  /** The media type as written, with its parameters. */
  readonly type: string;
  readonly content: Buffer;
}

/** Headers of a received message: unfolded, comma lists split, compact names known. */
export interface ReadHeaders {
  get(name: string): string | undefined;
  all(name: string): readonly string[];
}

/** Headers to send besides those that the stack writes; checked for CR, LF and NUL in one place. */
export type ExtraHeaders = readonly (readonly [name: string, value: string])[];

/** Who a request is from or to. */
export interface Party {
  /** `sip:`, `sips:` or `tel:`, as written. */
  readonly uri: string;
  readonly display?: string | undefined;
}

export interface Received {
  readonly headers: ReadHeaders;
  readonly body?: Body | undefined;
}

/** The final response to a request of ours, or what took its place. */
export interface Reply extends Received {
  readonly status: number;
  readonly reason: string;
  /** `timeout` comes as 408, `transport` as 503: no response came, and whether the request arrived is open. `unsent`: it was certainly not sent, and `reason` is the code of the registry where it is known why. */
  readonly origin: 'peer' | 'timeout' | 'transport' | 'unsent';
}

/** Our final response to a request. */
export interface Answer {
  /** 200–699. */
  readonly status: number;
  readonly reason?: string | undefined;
  readonly headers?: ExtraHeaders | undefined;
  readonly body?: Body | undefined;
}

export interface OutRequest {
  readonly method: string;
  /** The Request-URI. */
  readonly target: string;
  readonly from: Party;
  readonly to: Party;
  readonly callId?: string | undefined;
  readonly headers?: ExtraHeaders | undefined;
  readonly body?: Body | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Max-Forwards; 70 where left out. A request that is passed on carries one less than it came with. */
  readonly hops?: number | undefined;
}

/** Without an offer the 2xx carries one, and `ack` the answer (RFC 3261 §13.2.1). */
export interface OutInvite extends Omit<OutRequest, 'method'> {
  readonly offer?: Sdp | undefined;
}

export interface Progress extends Received {
  /** 101–199. */
  readonly status: number;
  readonly sdp?: Sdp | undefined;
  /** Tells early dialogs apart. */
  readonly fork: string;
}

export type CallResult =
  | {
      readonly ok: true;
      readonly session: Session;
      readonly sdp: Sdp;
      /** Present where the 2xx carried the offer: sends the ACK with the answer. */
      readonly ack?: (answer: Sdp) => void;
    }
  | { readonly ok: false; readonly reply: Reply };

/** A call of ours while it is set up. The abort signal of its request is CANCEL. */
export interface OutCall {
  onProgress: ((progress: Progress) => void) | undefined;
  readonly result: Promise<CallResult>;
}

/** One configured peer; it outlives its connections. */
export interface Trunk {
  readonly id: string;
  /** The partner's main domain, or what the home PBX is called. */
  readonly domain: string;
  readonly kind: 'partner' | 'home';
  readonly state: 'up' | 'down' | 'draining';
  invite(invite: OutInvite): OutCall;
  /** MESSAGE, OPTIONS, REFER, PUBLISH out of dialog. Never rejects. */
  request(request: OutRequest): Promise<Reply>;
  subscribe(request: OutRequest & { readonly event: string; readonly expires: number }): Promise<SubscribeResult>;
}

export type SubscribeResult =
  | { readonly ok: true; readonly subscription: Subscription }
  | { readonly ok: false; readonly reply: Reply };

export interface InRequest extends Received {
  readonly trunk: Trunk;
  readonly method: string;
  readonly target: string;
  readonly from: Party;
  readonly to: Party;
  readonly callId: string;
  /** Hops that are left, Max-Forwards. */
  readonly hops: number;
  /** The call in whose dialog it came. */
  readonly session?: Session | undefined;
}

export interface Ringing {
  readonly status: 180 | 181 | 182 | 183 | 199;
  readonly sdp?: Sdp | undefined;
  readonly headers?: ExtraHeaders | undefined;
}

export interface InCall extends InRequest {
  readonly offer: Sdp | undefined;
  /** CANCEL, the loss of the transport or a time limit of the stack; the 487 is sent inside. */
  readonly cancelled: AbortSignal;
  ring(ringing: Ringing): void;
  /** Resolves when the ACK is in; rejects with a Fault where it never comes. */
  answer(sdp: Sdp, headers?: ExtraHeaders): Promise<Session>;
  /** Where the INVITE had no offer: the 2xx carries ours, the ACK the answer. */
  answerWithOffer(offer: Sdp, headers?: ExtraHeaders): Promise<{ readonly session: Session; readonly sdp: Sdp }>;
  refuse(answer: Answer): void;
}

export type Modified = { readonly sdp: Sdp; readonly ack?: (answer: Sdp) => void } | { readonly reply: Reply };
export type ModifyAnswer = { readonly sdp: Sdp; readonly ack?: (answer: Sdp) => void } | { readonly refuse: Answer };

export interface SessionEnd {
  readonly by: 'peer' | 'us' | 'timeout' | 'transport';
  readonly reason?: string | undefined;
}

/** An established call. */
export interface Session {
  readonly id: string;
  readonly trunk: Trunk;
  readonly remote: Party;
  /** By UPDATE or re-INVITE, with the retry after glare inside. No offer: the peer is asked for one. */
  modify(offer: Sdp | undefined, headers?: ExtraHeaders): Promise<Modified>;
  /** INFO, MESSAGE, REFER, NOTIFY within the dialog. */
  request(method: string, options: { readonly headers?: ExtraHeaders; readonly body?: Body }): Promise<Reply>;
  /** BYE; waits for the ACK itself where it must. Never rejects. */
  end(reason?: string): Promise<void>;
  onModify: ((offer: Sdp | undefined, signal: AbortSignal) => Promise<ModifyAnswer>) | undefined;
  onRequest: ((request: InRequest) => Promise<Answer>) | undefined;
  readonly ended: Promise<SessionEnd>;
}

/** The notifier's side of a subscription (RFC 6665 §4.2). */
export interface Notifier {
  notify(body: Body | undefined, state?: 'active' | 'pending' | { readonly terminated: string }): Promise<Reply>;
  /** The subscriber refreshed it, for so many seconds. */
  onRefresh: ((expires: number) => void) | undefined;
  readonly ended: Promise<string>;
}

/** The subscriber's side (RFC 6665 §4.1). */
export interface Subscription {
  onNotify: ((notification: Received & { readonly state: string }) => Promise<Answer>) | undefined;
  refresh(expires: number): Promise<Reply>;
  end(): Promise<void>;
  readonly ended: Promise<string>;
}

export type SubscribeAnswer =
  | { readonly accept: true; readonly expires: number; readonly notifier: (notifier: Notifier) => void }
  | { readonly accept: false; readonly answer: Answer };

/** What the stack brings in; one object for all trunks. */
export interface SipHandlers {
  invite(call: InCall): void;
  /** MESSAGE, REFER, PUBLISH out of dialog, and methods nobody knows. OPTIONS is answered inside. */
  request(request: InRequest): Promise<Answer>;
  subscribe(request: InRequest & { readonly event: string; readonly expires: number }): Promise<SubscribeAnswer>;
  trunk(trunk: Trunk, state: 'up' | 'down', why?: string): void;
}

export interface SipStack {
  /** Resolves with the addresses that accept, as bound. */
  start(handlers: SipHandlers): Promise<readonly { readonly host: string; readonly port: number }[]>;
  /** By partner domain (any of the partner's), or the home trunk's name. */
  trunkFor(domain: string): Trunk | undefined;
  /** Refuses new calls with 503 and Retry-After, ends transactions in good order, for so many ms at most. */
  drain(ms: number): Promise<void>;
  close(): Promise<void>;
}
