import { Core } from 'sip.js';
import { Inbox, type NextOptions } from './inbox.ts';

export type Headers = readonly string[];
type Incoming = Core.IncomingRequest;

export interface SdpOptions {
  readonly address?: string;
  readonly port?: number;
  readonly direction?: 'sendrecv' | 'sendonly' | 'recvonly' | 'inactive';
  /** The version of the description, for what comes later in a call. */
  readonly version?: number;
}

/** A description of one audio stream; nobody listens there unless the test does. */
export function audioSdp({
  address = '127.0.0.1',
  port = 40_000,
  direction = 'sendrecv',
  version = 1,
}: SdpOptions = {}): string {
  return [
    'v=0',
    `o=- 1 ${version} IN IP4 ${address}`,
    's=-',
    `c=IN IP4 ${address}`,
    't=0 0',
    `m=audio ${port} RTP/AVP 0 8 101`,
    'a=rtpmap:0 PCMU/8000',
    'a=rtpmap:8 PCMA/8000',
    'a=rtpmap:101 telephone-event/8000',
    `a=${direction}`,
    '',
  ].join('\r\n');
}

function session(content: string): Core.Body {
  return { contentDisposition: 'session', contentType: 'application/sdp', content };
}

function options(sdp: string | undefined, headers: Headers): Core.RequestOptions {
  return { extraHeaders: [...headers], ...(sdp === undefined ? {} : { body: session(sdp) }) };
}

/** An established call of sip.js; what the peer does in it waits in inboxes. */
export class SipSession {
  readonly core: Core.Session;
  /** INFO, MESSAGE, REFER, NOTIFY and PRACK of the peer: the test answers each by `accept` or `reject`. */
  readonly requests = new Inbox<Incoming>('requests in the call', ({ message }) => message.method);
  /** re-INVITEs of the peer; `answerModify` answers them unless it is undefined. */
  readonly modifications = new Inbox<Core.IncomingInviteRequest>('re-INVITEs', ({ message }) => message.callId);
  /** Of the ACKs of the peer: their bodies. */
  readonly acks = new Inbox<string>('ACKs', (body) => body);
  /** Resolves with the peer's BYE, answered with 200. */
  readonly ended: Promise<Core.IncomingRequestMessage>;
  /** The description with which a re-INVITE is answered; undefined leaves it to the test. */
  answerModify: string | undefined = audioSdp();

  readonly #contact: Headers;
  /** Resolves when the last re-INVITE that was accepted is acknowledged: until then none may be sent (RFC 3261 §14.1). */
  #acknowledged = Promise.withResolvers<void>();

  /** `contact` is what the user's Contact header says, `<sip:…>`. */
  constructor(core: Core.Session, contact: string) {
    this.core = core;
    this.#contact = [`Contact: ${contact}`];
    const { promise, resolve } = Promise.withResolvers<Core.IncomingRequestMessage>();
    this.ended = promise;
    this.#acknowledged.resolve();
    const take = (request: Incoming) => this.requests.add(request);
    core.delegate = {
      onAck: ({ message }) => {
        this.acks.add(message.body);
        this.#acknowledged.resolve();
      },
      onBye: (bye) => {
        bye.accept();
        resolve(bye.message);
      },
      onInvite: (invite) => {
        this.modifications.add(invite);
        if (this.answerModify === undefined) return;
        this.#acknowledged = Promise.withResolvers();
        invite.accept({ statusCode: 200, ...options(this.answerModify, this.#contact) });
      },
      onInfo: take,
      onMessage: take,
      onRefer: take,
      onNotify: take,
      onPrack: take,
    };
  }

  /** Resolves with the final response. */
  bye(headers: Headers = []): Promise<Core.IncomingResponseMessage> {
    return finalOf((delegate) => this.core.bye(delegate, options(undefined, headers)));
  }

  info(type: string, content: string): Promise<Core.IncomingResponseMessage> {
    const body = { contentDisposition: 'render', contentType: type, content };
    return finalOf((delegate) => this.core.info(delegate, { body }));
  }

  message(content: string): Promise<Core.IncomingResponseMessage> {
    const body = { contentDisposition: 'render', contentType: 'text/plain', content };
    return finalOf((delegate) => this.core.message(delegate, { body }));
  }

  /** Asks the peer to go elsewhere. */
  refer(target: string, headers: Headers = []): Promise<Core.IncomingResponseMessage> {
    return finalOf((delegate) =>
      this.core.refer(delegate, options(undefined, [`Refer-To: <${target}>`, ...this.#contact, ...headers])),
    );
  }

  /** A re-INVITE, once the peer's last is acknowledged; its 2xx is acknowledged, with `late` where that carried the offer. */
  async modify(sdp: string | undefined, late?: string): Promise<Core.IncomingResponseMessage> {
    await this.#acknowledged.promise;
    return await new Promise((resolve) => {
      this.core.invite(
        {
          onAccept: (response) => {
            response.ack(options(late, []));
            resolve(response.message);
          },
          onReject: ({ message }) => resolve(message),
          onRedirect: ({ message }) => resolve(message),
        },
        options(sdp, this.#contact),
      );
    });
  }
}

/** What ends the attempt: a call, or a refusal. */
export type Outcome =
  | { readonly ok: true; readonly session: SipSession; readonly message: Core.IncomingResponseMessage }
  | { readonly ok: false; readonly message: Core.IncomingResponseMessage };

export interface CallOptions {
  /** None: the 2xx is to carry the offer, and {@link late} answers it. */
  readonly offer?: string | undefined;
  /** The answer to an offer in a 2xx. */
  readonly late?: string | undefined;
  readonly headers?: Headers | undefined;
}

/** A call that the user makes. Each 2xx is acknowledged, those of later forks too. */
export class OutgoingCall {
  readonly progress = new Inbox<Core.PrackableIncomingResponseWithSession>('provisional responses', ({ message }) =>
    String(message.statusCode),
  );
  readonly outcomes = new Inbox<Outcome>('final responses', ({ message }) => String(message.statusCode));
  readonly #request: Core.OutgoingInviteRequest;

  constructor(
    contact: string,
    invite: (delegate: Core.OutgoingInviteRequestDelegate) => Core.OutgoingInviteRequest,
    { late }: CallOptions,
  ) {
    const refused = ({ message }: Core.IncomingResponse) => this.outcomes.add({ ok: false, message });
    this.#request = invite({
      onProgress: (response) => this.progress.add(response),
      onAccept: (response) => {
        response.ack(options(late, []));
        this.outcomes.add({ ok: true, session: new SipSession(response.session, contact), message: response.message });
      },
      onReject: refused,
      onRedirect: refused,
    });
  }

  get callId(): string {
    return this.#request.message.callId;
  }

  /** The next provisional response of this status. */
  async rings(status = 180, wait?: NextOptions): Promise<Core.IncomingResponseMessage> {
    return (await this.progress.next(({ message }) => message.statusCode === status, wait)).message;
  }

  /** The call once it is answered; rejects with the status where it is refused. */
  async answered(wait?: NextOptions): Promise<SipSession> {
    const outcome = await this.outcomes.next(undefined, wait);
    if (outcome.ok) return outcome.session;
    throw new Error(`the call was refused: ${outcome.message.statusCode} ${outcome.message.reasonPhrase}`);
  }

  /** The refusal; rejects where it is answered. */
  async refused(wait?: NextOptions): Promise<Core.IncomingResponseMessage> {
    const outcome = await this.outcomes.next(undefined, wait);
    if (!outcome.ok) return outcome.message;
    throw new Error('the call was answered');
  }

  /** CANCEL, as soon as it may be sent. */
  cancel(reason?: string): void {
    this.#request.cancel(reason);
  }
}

/** A call that the user gets, and of which the caller has its 100. The test rings, answers and refuses. */
export class IncomingCall {
  readonly request: Core.IncomingInviteRequest;
  /** Resolves with the CANCEL; the 487 is sent. */
  readonly cancelled: Promise<Core.IncomingRequestMessage>;

  readonly #contact: string;

  constructor(request: Core.IncomingInviteRequest, contact: string) {
    this.request = request;
    this.#contact = contact;
    const { promise, resolve } = Promise.withResolvers<Core.IncomingRequestMessage>();
    this.cancelled = promise;
    request.delegate = {
      onCancel: (cancel) => {
        request.reject({ statusCode: 487 });
        resolve(cancel);
      },
    };
    request.trying();
  }

  /** The description offered; '' where the INVITE carries none. */
  get offer(): string {
    return this.request.message.body;
  }

  ring(status = 180, sdp?: string, headers: Headers = []): void {
    this.request.progress({ statusCode: status, ...options(sdp, headers) });
  }

  answer(sdp: string, headers: Headers = []): SipSession {
    return new SipSession(this.request.accept({ statusCode: 200, ...options(sdp, headers) }).session, this.#contact);
  }

  refuse(status: number, headers: Headers = []): void {
    this.request.reject({ statusCode: status, extraHeaders: [...headers] });
  }

  /** 302 unless told otherwise. */
  redirect(contact: string, status = 302): void {
    const uri = Core.Grammar.URIParse(contact);
    if (uri === undefined) throw new Error(`not a URI: ${contact}`);
    this.request.redirect([uri], { statusCode: status });
  }
}

/** Sends a request and resolves with its final response; sip.js makes one up where none comes (408, 503). */
export function finalOf(
  send: (delegate: Core.OutgoingRequestDelegate) => unknown,
): Promise<Core.IncomingResponseMessage> {
  return new Promise((resolve) => {
    const settle = ({ message }: Core.IncomingResponse) => resolve(message);
    send({ onAccept: settle, onReject: settle, onRedirect: settle });
  });
}
