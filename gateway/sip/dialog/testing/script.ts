import { Headers } from '../../message/headers.ts';
import { type SipMessage, SipRequest, type SipResponse } from '../../message/message.ts';
import { serialise } from '../../message/serialise.ts';
import type { ExtraHeaders } from '../../port.ts';
import { respondTo, tagged } from '../../transaction/response.ts';
import type { FakeClock } from '../../transaction/testing/fake-clock.ts';
import type { Flow, FlowUser } from '../../transport/flow.ts';
import { setSdp } from '../body.ts';
import type { DialogLimits } from '../core.ts';
import { Agent } from './agents.ts';
import { Wire } from './wire.ts';

export interface Scripted {
  readonly tag?: string;
  readonly sdp?: string;
  readonly headers?: ExtraHeaders;
}

/** A peer without a mind of its own: a test says each word, right or wrong. */
export class Script implements FlowUser {
  readonly received: SipMessage[] = [];
  readonly clock: FakeClock;
  readonly a: Agent;
  readonly wire: Wire;
  #branches = 0;

  constructor(clock: FakeClock, limits: Partial<DialogLimits> = {}) {
    this.clock = clock;
    this.a = new Agent('a', clock, limits);
    this.wire = new Wire(clock, { a: this.a.transactions, b: this });
    this.a.wire = this.wire;
  }

  message(_flow: Flow, message: SipMessage): void {
    this.received.push(message);
  }

  closed(): void {}

  async run(ms = 20): Promise<void> {
    await this.clock.advanceAsync(ms);
  }

  /** What came since the last look, such as `INVITE` or `200 INVITE`. */
  take(): string[] {
    return this.received
      .splice(0)
      .map((message) => (message.kind === 'request' ? message.method : `${message.status} ${message.cseq.method}`));
  }

  /** The latest request of a method. */
  request(method: string): SipRequest {
    const found = this.received.findLast((message) => message.kind === 'request' && message.method === method);
    if (found?.kind !== 'request') throw new Error(`No ${method} came.`);
    return found;
  }

  /** The latest response to a method. */
  response(method: string): SipResponse {
    const found = this.received.findLast((message) => message.kind === 'response' && message.cseq.method === method);
    if (found?.kind !== 'response') throw new Error(`No response to ${method} came.`);
    return found;
  }

  /** Answers a request; with a tag, from that branch and with a Contact of its. */
  async respond(request: SipRequest, status: number, { tag, sdp, headers = [] }: Scripted = {}): Promise<void> {
    const response = respondTo(request, status);
    if (tag !== undefined) {
      tagged(response, tag);
      response.headers.append('Contact', `<sip:${tag}@b.example>`);
    }
    for (const [name, value] of headers) response.headers.append(name, value);
    setSdp(response, sdp);
    this.wire.flow('b').send(serialise(response));
    await this.run(10);
  }

  /** Sends a request as it is, with a Via of a new branch. */
  async send(method: string, uri: string, headers: ExtraHeaders, sdp?: string): Promise<SipRequest> {
    this.#branches += 1;
    const request = new SipRequest(
      method,
      uri,
      new Headers([['Via', `SIP/2.0/TLS b.example;branch=z9hG4bK${this.#branches}`], ...headers]),
    );
    const type = request.headers.get('Content-Type');
    setSdp(request, sdp);
    if (type !== undefined) request.headers.set('Content-Type', type);
    this.wire.flow('b').send(serialise(request));
    await this.run(10);
    return request;
  }
}
