import { Core } from 'sip.js';
import { Inbox } from './inbox.ts';
import { Lines } from './lines.ts';
import { type CallOptions, finalOf, type Headers, IncomingCall, OutgoingCall } from './sip-call.ts';
import { SipJsTransport } from './sip-js-transport.ts';
import { type SipWireOptions, token } from './sip-wire.ts';

export interface SipUserOptions {
  /** `sip:bob@p.example`. */
  readonly uri: string;
  readonly display?: string | undefined;
  /** The proxy; everything goes there, and comes from there. */
  readonly proxy: SipWireOptions;
  /** Option tags for Supported, such as `100rel`; none when left out. */
  readonly supported?: readonly string[] | undefined;
}

/** A message that came, outside of any call. */
export interface ReceivedMessage {
  /** Of From. */
  readonly from: string;
  readonly type: string;
  readonly text: string;
  readonly message: Core.IncomingRequestMessage;
}

export interface MessageOptions {
  /** `text/plain` when left out. */
  readonly type?: string | undefined;
  readonly headers?: Headers | undefined;
  readonly callId?: string | undefined;
  /** Says to be somebody else. */
  readonly from?: string | undefined;
}

/** How a request is answered. */
export type Answering = (message: Core.IncomingRequestMessage) => Core.ResponseOptions;

/** A user agent on the core of sip.js, which shares no line with the gateway: one user, one connection, no media. */
export class SipUser {
  /** MESSAGEs, answered by {@link answerMessage}. */
  readonly messages = new Inbox<ReceivedMessage>('messages', ({ text }) => text);
  /** INVITEs; the test answers them. */
  readonly calls = new Inbox<IncomingCall>('calls', ({ request }) => request.message.from.toString());
  /** SUBSCRIBE and REFER out of dialog; the test answers them. */
  readonly requests = new Inbox<Core.IncomingRequest>('requests', ({ message }) => message.method);
  /** Every message on the wire, whole: `>` sent, `<` received. */
  readonly trace = new Lines(500);
  /** 200 unless the test says otherwise. */
  answerMessage: Answering = () => ({ statusCode: 200 });
  readonly core: Core.UserAgentCore;
  readonly #transport: SipJsTransport;
  readonly #uri: Core.URI;

  static async connect(options: SipUserOptions): Promise<SipUser> {
    const trace = new Lines(500);
    return new SipUser(options, await SipJsTransport.connect(options.proxy, (line) => trace.add(line)), trace);
  }

  private constructor({ uri, display = '', supported = [] }: SipUserOptions, transport: SipJsTransport, trace: Lines) {
    this.trace = trace;
    this.#transport = transport;
    this.#uri = parseUri(uri);
    const { local } = transport.wire;
    const parameters = transport.protocol === 'TLS' ? ';transport=tls' : ';transport=tcp';
    const contact = parseUri(`sip:${this.#uri.user}@${local}${parameters}`);
    const loggerFactory = new Core.LoggerFactory();
    loggerFactory.builtinEnabled = false;
    this.core = new Core.UserAgentCore(
      {
        aor: this.#uri,
        contact: { uri: contact, pubGruu: undefined, tempGruu: undefined, toString: () => `<${contact}>` },
        displayName: display,
        loggerFactory,
        hackViaTcp: false,
        routeSet: [],
        sipjsId: token().slice(0, 5),
        supportedOptionTags: [...supported],
        supportedOptionTagsResponse: [...supported],
        userAgentHeaderFieldValue: 'sip.js',
        viaForceRport: true,
        viaHost: local,
        authenticationFactory: () => undefined,
        transportAccessor: () => transport,
      },
      {
        onInvite: (invite) => this.calls.add(new IncomingCall(invite, this.#contact)),
        onMessage: (request) => this.#take(request),
        onRefer: (request) => this.requests.add(request),
        onSubscribe: (request) => this.requests.add(request),
      },
    );
    transport.serve(this.core);
  }

  get uri(): string {
    return this.#uri.toString();
  }

  /** Of our end of the connection, `sip:bob@127.x.y.z:port;transport=tls`. */
  get contact(): string {
    return this.core.configuration.contact.uri.toString();
  }

  /** Tells the proxy where the user is; for so many seconds, 0 for no longer. Rejects unless it says 200. */
  async register(seconds = 600): Promise<void> {
    const registrar = parseUri(`sip:${this.#uri.host}`);
    const response = await this.request('REGISTER', registrar.toString(), {
      to: this.uri,
      headers: [`Contact: ${this.#contact}`, `Expires: ${seconds}`],
    });
    if (response.statusCode !== 200) throw new Error(`REGISTER: ${response.statusCode} ${response.reasonPhrase}`);
  }

  /** Sends a MESSAGE; resolves with the final response. */
  message(to: string, text: string, options: MessageOptions = {}): Promise<Core.IncomingResponseMessage> {
    const { type = 'text/plain', ...more } = options;
    return this.request('MESSAGE', to, {
      ...more,
      body: { contentDisposition: 'render', contentType: type, content: text },
    });
  }

  /** Sends any request that makes no dialog; resolves with the final response. */
  request(
    method: string,
    target: string,
    more: Omit<MessageOptions, 'type'> & { readonly to?: string | undefined; readonly body?: Core.Body } = {},
  ): Promise<Core.IncomingResponseMessage> {
    const outgoing = this.#outgoing(method, target, more);
    return finalOf((delegate) => this.core.request(outgoing, delegate));
  }

  /** Calls; the offer is in the INVITE unless the options leave it out. */
  call(to: string, options: CallOptions & { readonly from?: string; readonly callId?: string } = {}): OutgoingCall {
    const { offer } = options;
    const body =
      offer === undefined
        ? {}
        : { body: { contentDisposition: 'session', contentType: 'application/sdp', content: offer } };
    const { from, callId, headers } = options;
    const outgoing = this.#outgoing('INVITE', to, {
      from,
      callId,
      headers: [`Contact: ${this.#contact}`, ...(headers ?? [])],
      ...body,
    });
    return new OutgoingCall(this.#contact, (delegate) => this.core.invite(outgoing, delegate), options);
  }

  /** The connection breaks; nothing is said. */
  drop(): void {
    this.#transport.wire.reset();
  }

  async close(): Promise<void> {
    await this.#transport.close();
    this.core.dispose();
  }

  get #contact(): string {
    return this.core.configuration.contact.toString();
  }

  #outgoing(
    method: string,
    target: string,
    more: Omit<MessageOptions, 'type'> & { readonly to?: string | undefined; readonly body?: Core.Body },
  ): Core.OutgoingRequestMessage {
    const { from = this.uri, to = target, callId, headers = [], body } = more;
    return this.core.makeOutgoingRequestMessage(
      method,
      parseUri(target),
      parseUri(from),
      parseUri(to),
      callId === undefined ? {} : { callId },
      [...headers],
      body,
    );
  }

  #take(request: Core.IncomingMessageRequest): void {
    const { message } = request;
    const answer = this.answerMessage(message);
    if (answer.statusCode < 300) request.accept(answer);
    else request.reject(answer);
    const type = message.getHeader('content-type') ?? '';
    this.messages.add({ from: message.from.uri.toString(), type, text: message.body, message });
  }
}

function parseUri(text: string): Core.URI {
  const uri = Core.Grammar.URIParse(text);
  if (uri === undefined) throw new Error(`not a SIP URI: ${text}`);
  return uri;
}
