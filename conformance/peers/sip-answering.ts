import { Inbox, type NextOptions } from './inbox.ts';
import { audioSdp } from './sip-call.ts';
import { headerValue, headerValues, methodOf, type WireMessage } from './sip-reader.ts';
import { type SipWire, type SipWireServer, sipBytes, token } from './sip-wire.ts';

/** A request, and the connection that it came over. */
export interface Arrival {
  readonly wire: SipWire;
  readonly message: WireMessage;
}

export interface AnswerOptions {
  /** Of To; one of its own when left out. */
  readonly tag?: string | undefined;
  readonly headers?: readonly (readonly [name: string, value: string])[] | undefined;
  /** An SDP description. */
  readonly sdp?: string | undefined;
}

/** Methods that are answered at once, and how; the others wait for the test. */
export type ByItself = Readonly<Record<string, number>>;

/** A server of a partner that answers by hand, over whichever connection a request comes. */
export class AnsweringServer {
  readonly requests = new Inbox<Arrival>('requests', ({ message }) => message.start);
  /** How many requests of each method came in all. */
  readonly counts = new Map<string, number>();
  readonly server: SipWireServer;

  constructor(server: SipWireServer, byItself: ByItself = { OPTIONS: 200 }, headers: AnswerOptions['headers'] = []) {
    this.server = server;
    server.each((wire) =>
      wire.messages.consume((message) => {
        const method = methodOf(message);
        if (method === '') return;
        this.counts.set(method, (this.counts.get(method) ?? 0) + 1);
        const status = byItself[method] ?? byItself['*'];
        if (status === undefined) this.requests.add({ wire, message });
        else if (method !== 'ACK') void wire.write(answerTo({ wire, message }, status, { headers })).catch(() => {});
      }),
    );
  }

  /** How many came, whatever they were. */
  get requestsInAll(): number {
    return [...this.counts.values()].reduce((total, count) => total + count, 0);
  }

  /** The next request of a method. */
  next(method: string, options?: NextOptions): Promise<Arrival> {
    return this.requests.next(({ message }) => methodOf(message) === method, options);
  }

  /** An INVITE that is answered with 200: the call as its callee sees it. */
  async takeCall(contact: string, tag = token()): Promise<AnsweredCall> {
    const arrival = await this.next('INVITE');
    await say(arrival, 200, { tag, headers: [['Contact', `<${contact}>`]], sdp: audioSdp({ port: 40_004 }) });
    await this.next('ACK');
    return { arrival, tag };
  }
}

export interface AnsweredCall {
  readonly arrival: Arrival;
  /** Ours. */
  readonly tag: string;
}

/** A response as bytes (RFC 3261 §8.2.6). */
export function answerTo({ message }: Arrival, status: number, { tag, headers = [], sdp }: AnswerOptions = {}): Buffer {
  const to = headerValue(message, 'to');
  const copied = (name: string) => headerValues(message, name).map((value) => [name, value] as const);
  return sipBytes({
    start: `SIP/2.0 ${status} As The Test Says`,
    headers: [
      ...copied('Via'),
      ...copied('Record-Route'),
      ...copied('From'),
      ['To', /;\s*tag=/i.test(to) ? to : `${to};tag=${tag ?? token()}`],
      ...copied('Call-ID'),
      ...copied('CSeq'),
      ...(sdp === undefined ? [] : [['Content-Type', 'application/sdp'] as const]),
      ...headers,
    ],
    body: sdp,
  });
}

/** Answers over the connection of the request. */
export function say(arrival: Arrival, status: number, options?: AnswerOptions): Promise<void> {
  return arrival.wire.write(answerTo(arrival, status, options));
}

/** What a request of the callee's has in this call: to be sent over any connection. */
export function withinCall({ arrival: { message }, tag }: AnsweredCall, method: string, cseq = 1) {
  const uri = (value: string) => /<([^>]*)>/.exec(value)?.[1] ?? value;
  return {
    method,
    target: uri(headerValue(message, 'contact')),
    from: uri(headerValue(message, 'to')),
    fromTag: tag,
    to: headerValue(message, 'from'),
    callId: headerValue(message, 'call-id'),
    cseq,
  };
}
