import type { SipMessage, SipRequest, SipResponse } from '../../message/message.ts';
import { parseMessage } from '../../message/parse.ts';
import type { Endpoint, Flow, Peer } from '../../transport/flow.ts';

let flows = 0;

/** A connection that leads nowhere: what is sent on it is read back and kept. */
export class FakeFlow implements Flow {
  readonly id = ++flows;
  readonly secure: boolean;
  readonly remote: Endpoint;
  readonly local: Endpoint = { host: '192.0.2.1', port: 5061 };
  readonly peer: Peer;
  readonly name = 'partner.example';
  readonly opened = 'by-peer';
  readonly backlog = 0;
  open = true;
  /** What was sent and not yet taken. */
  readonly sent: SipMessage[] = [];

  constructor(options: { readonly secure?: boolean; readonly remote?: Endpoint; readonly leaf?: string } = {}) {
    this.secure = options.secure ?? true;
    this.remote = options.remote ?? { host: '203.0.113.7', port: 40_000 + this.id };
    this.peer = { chain: this.secure ? [Buffer.from(options.leaf ?? 'leaf')] : [], identities: ['partner.example'] };
  }

  send(bytes: Buffer): void {
    if (!this.open) throw new Error('Sent on a flow that is closed.');
    const end = bytes.indexOf('\r\n\r\n');
    this.sent.push(parseMessage(bytes.subarray(0, end), bytes.subarray(end + 4)));
  }

  close(): void {
    this.open = false;
  }

  /** Everything that was sent since the last look. */
  take(): SipMessage[] {
    return this.sent.splice(0);
  }

  /** The one request that was sent since the last look. */
  takeRequest(): SipRequest {
    const [message, ...others] = this.take();
    if (message?.kind !== 'request' || others.length > 0) throw new Error('Not one request was sent.');
    return message;
  }

  /** The one response that was sent since the last look. */
  takeResponse(): SipResponse {
    const [message, ...others] = this.take();
    if (message?.kind !== 'response' || others.length > 0) throw new Error('Not one response was sent.');
    return message;
  }
}
