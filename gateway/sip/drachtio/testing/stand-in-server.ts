import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { SipRequest, SipResponse } from '../../message/message.ts';
import { parseHead } from '../../message/parse.ts';
import { serialise } from '../../message/serialise.ts';
import { Frames, frame, Inbox } from './frames.ts';

export interface StandInOptions {
  readonly secret?: string;
  /** Where it says that it listens for SIP. */
  readonly addresses?: readonly string[];
  readonly port?: number;
}

/** A peer as the stand-in shows it. */
export interface StandInPeer {
  readonly address: string;
  readonly protocol: string;
}

const TIME = '12:00:00.000000';
export const partner: StandInPeer = { address: '192.0.2.7', protocol: 'tls' };

/** A request that the application had sent. */
export class SentByUs {
  readonly request: SipRequest;
  readonly dialogId: string;
  readonly proxy: string;
  readonly transactionId: string;
  readonly #server: StandInServer;

  constructor(
    server: StandInServer,
    request: SipRequest,
    ids: { transactionId: string; dialogId: string; proxy: string },
  ) {
    this.#server = server;
    this.request = request;
    this.transactionId = ids.transactionId;
    this.dialogId = ids.dialogId;
    this.proxy = ids.proxy;
  }

  /** What the peer answers; `dialog` is what the server calls the dialog. */
  respond(
    status: number,
    { headers = [], body, dialog = this.dialogId, tag = 'peer', from = partner.address }: ResponseScript = {},
  ): void {
    const response = new SipResponse(status, status < 200 ? 'Progress' : 'Final');
    for (const name of ['Via', 'From', 'Call-ID', 'CSeq'])
      response.headers.append(name, this.request.headers.get(name) ?? '');
    const to = this.request.headers.get('To') ?? '';
    response.headers.append('To', to.includes('tag=') || status === 100 ? to : `${to};tag=${tag}`);
    response.headers.append('Contact', '<sip:bob@192.0.2.7:5061;transport=tls>');
    for (const [name, value] of headers) response.headers.append(name, value);
    withSdp(response, body);
    this.#server.tell(serialise(response).toString(), {
      peer: { address: from, protocol: 'tls' },
      transactionId: this.transactionId,
      dialogId: dialog,
    });
  }
}

interface ResponseScript {
  readonly headers?: readonly (readonly [string, string])[];
  readonly body?: string | undefined;
  readonly dialog?: string;
  readonly tag?: string;
  /** '' for what the server makes up itself. */
  readonly from?: string;
}

/** A request that a peer sent, and what the application answered. */
export class SentByPeer {
  readonly request: SipRequest;
  readonly transactionId = randomUUID();
  readonly dialogId: string;
  readonly responses = new Inbox<SipResponse>();

  constructor(request: SipRequest, dialogId: string) {
    this.request = request;
    this.dialogId = dialogId;
  }
}

/**
 * A stand-in for a drachtio server: it speaks the control protocol (authenticate, route, ping, sip) as drachtio-server
 * 0.9 does, and plays the peers by script. It has no SIP stack, and no SIP leaves it.
 */
export class StandInServer {
  readonly secret: string;
  readonly addresses: readonly string[];
  /** Requests of the application, ACK and PRACK too. */
  readonly sent = new Inbox<SentByUs>();
  readonly routes = new Inbox<string>();
  connections = 0;
  /** Where set, requests are refused with this word. */
  refusal: string | undefined;
  readonly #server: Server;
  readonly #incoming = new Map<string, SentByPeer>();
  #socket: Socket | undefined;
  #dialogs = 0;

  private constructor(server: Server, options: StandInOptions) {
    this.#server = server;
    this.secret = options.secret ?? 'cymru';
    this.addresses = options.addresses ?? ['tls/198.51.100.1:5061'];
    server.on('connection', (socket) => this.#accept(socket));
  }

  static async start(options: StandInOptions = {}): Promise<StandInServer> {
    const server = createServer({ noDelay: true });
    const standIn = new StandInServer(server, options);
    server.listen(options.port ?? 0, '127.0.0.1');
    await once(server, 'listening');
    return standIn;
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  /** Ends the connection of the application. */
  disconnect(): void {
    this.#socket?.destroy();
  }

  async close(): Promise<void> {
    this.disconnect();
    if (!this.#server.listening) return;
    this.#server.close();
    await once(this.#server, 'close');
  }

  /** A peer sends a request; its answers come to the `responses`. */
  receive(
    method: string,
    options: {
      readonly target?: string;
      readonly from?: string;
      readonly to?: string;
      readonly headers?: readonly (readonly [string, string])[];
      readonly body?: string | undefined;
      readonly dialog?: string;
      readonly peer?: StandInPeer;
      readonly callId?: string;
      readonly cseq?: number;
      readonly raw?: (text: string) => string;
      readonly alike?: SentByPeer;
    } = {},
  ): SentByPeer {
    const { target = 'sip:alice@h.example', dialog = '', peer = partner, cseq = 1 } = options;
    const request = new SipRequest(method, target);
    request.headers
      .append('Via', `SIP/2.0/TLS ${peer.address};branch=z9hG4bK${randomUUID()}`)
      .append('Max-Forwards', '70')
      .append('From', options.from ?? '<sip:bob@p.example>;tag=peer')
      .append('To', options.to ?? (dialog === '' ? '<sip:alice@h.example>' : '<sip:alice@h.example>;tag=ours'))
      .append('Call-ID', options.callId ?? options.alike?.request.callId ?? randomUUID())
      .append('CSeq', `${cseq} ${method}`)
      .append('Contact', `<sip:bob@${peer.address}:5061;transport=tls>`);
    for (const [name, value] of options.headers ?? []) request.headers.append(name, value);
    withSdp(request, options.body);
    const received = new SentByPeer(request, dialog);
    if (method !== 'ACK' && method !== 'CANCEL') this.#incoming.set(received.transactionId, received);
    const text = serialise(request).toString();
    this.tell(options.raw?.(text) ?? text, { peer, transactionId: received.transactionId, dialogId: dialog });
    return received;
  }

  /** Ends a dialog by itself, as where no ACK came. */
  giveUp(dialogId: string): void {
    const bye = new SipRequest('BYE', 'sip:bob@p.example');
    bye.headers
      .append('Via', 'SIP/2.0/TLS 198.51.100.1;branch=z9hG4bKbye')
      .append('From', '<sip:alice@h.example>;tag=ours')
      .append('To', '<sip:bob@p.example>;tag=peer')
      .append('Call-ID', randomUUID())
      .append('CSeq', '9 BYE')
      .append('Reason', 'SIP ;cause=200 ;text="No ACK received"');
    this.#write(
      `${randomUUID()}|sip|application|100|tls|192.0.2.7|5061|${TIME}|unsolicited|${dialogId}|\r\n${serialise(bye)}`,
    );
  }

  /** Tells of a message of a peer. */
  tell(
    raw: string,
    { peer, transactionId, dialogId }: { peer: StandInPeer; transactionId: string; dialogId: string },
  ): void {
    const meta = `network|${raw.length}|${peer.protocol}|${peer.address}|5061|${TIME}`;
    this.#write(`${randomUUID()}|sip|${meta}|${transactionId}|${dialogId}|\r\n${raw}`);
  }

  /** Writes as it is, frame and all. */
  writeRaw(text: string): void {
    this.#socket?.write(text);
  }

  #write(text: string): void {
    this.#socket?.write(frame(text));
  }

  #accept(socket: Socket): void {
    this.connections += 1;
    this.#socket = socket;
    const frames = new Frames();
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => {
      for (const text of frames.push(chunk)) this.#take(socket, text);
    });
  }

  #take(socket: Socket, text: string): void {
    const end = text.indexOf('\r\n');
    const [id = '', kind, ...tokens] = (end < 0 ? text : text.slice(0, end)).split('|');
    if (kind === 'authenticate') this.#authenticate(socket, id, tokens[0]);
    else if (kind === 'route') {
      this.routes.put(tokens[0] ?? '');
      this.#reply(id, 'OK');
    } else if (kind === 'ping') this.#reply(id, 'OK|pong');
    else if (kind === 'sip') this.#sip(id, tokens, text.slice(end + 2));
  }

  #authenticate(socket: Socket, id: string, secret: string | undefined): void {
    if (secret !== this.secret) {
      this.#reply(id, 'NO|incorrect secret');
      socket.end();
      return;
    }
    const addresses = this.addresses.join(',');
    this.#reply(id, `OK|${addresses}|v0.9.10|${addresses}`);
  }

  #sip(id: string, [transactionId = '', dialogId = '', proxy = '']: string[], raw: string): void {
    const end = raw.indexOf('\r\n\r\n');
    const message = parseHead(Buffer.from(raw.slice(0, end)));
    message.body = Buffer.from(raw.slice(end + 4));
    if (message instanceof SipResponse) this.#responded(id, transactionId, message);
    else if (this.refusal !== undefined && message.method !== 'CANCEL') this.#reply(id, `NOK|${this.refusal}`);
    else this.#requested(id, message, { transactionId: transactionId || randomUUID(), dialogId, proxy });
  }

  #requested(id: string, request: SipRequest, ids: { transactionId: string; dialogId: string; proxy: string }): void {
    const { headers } = request;
    headers.set('Via', `SIP/2.0/TLS 198.51.100.1;branch=z9hG4bK${randomUUID()}`);
    if (!headers.has('CSeq')) headers.set('CSeq', `1000 ${request.method}`);
    if (ids.dialogId !== '') {
      headers.set('From', '<sip:alice@h.example>;tag=ours').set('To', '<sip:bob@p.example>;tag=peer');
      headers.set('Call-ID', `call-of-${ids.dialogId}`).set('CSeq', `2 ${request.method}`);
    }
    const meta = `application|100|tls|192.0.2.7|5061|${TIME}`;
    this.#reply(id, `OK|${meta}|${ids.transactionId}|Msg sent:|\r\n${serialise(request)}`);
    this.sent.put(new SentByUs(this, request, ids));
  }

  #responded(id: string, transactionId: string, response: SipResponse): void {
    const to = this.#incoming.get(transactionId);
    if (to === undefined) {
      this.#reply(id, 'NOK|Response not sent due to unknown transaction');
      return;
    }
    if (response.status >= 200) this.#incoming.delete(transactionId);
    for (const name of ['Via', 'From', 'Call-ID', 'CSeq'])
      response.headers.set(name, to.request.headers.get(name) ?? '');
    const written = to.request.headers.get('To') ?? '';
    response.headers.set('To', written.includes('tag=') ? written : `${written};tag=ours`);
    const makesDialog = ['INVITE', 'SUBSCRIBE'].includes(to.request.method) && response.status < 300;
    const named = to as { dialogId: string };
    if (to.dialogId === '' && makesDialog) named.dialogId = `dialog-${++this.#dialogs}`;
    const meta = `application|100|tls|192.0.2.7|5061|${TIME}`;
    this.#reply(id, `OK|${meta}|${transactionId}|${to.dialogId}||Msg sent:|\r\n${serialise(response)}`);
    to.responses.put(response);
  }

  #reply(id: string, text: string): void {
    this.#write(`${randomUUID()}|response|${id}|${text}`);
  }
}

function withSdp(message: SipRequest | SipResponse, body: string | undefined): void {
  if (body === undefined) return;
  if (!message.headers.has('Content-Type')) message.headers.append('Content-Type', 'application/sdp');
  message.body = Buffer.from(body);
}
