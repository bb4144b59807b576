import { type SipMessage, SipRequest, SipResponse } from '../../message/message.ts';
import { parseMessage } from '../../message/parse.ts';
import { serialise } from '../../message/serialise.ts';
import type { Flow } from '../../transport/flow.ts';
import { respondTo } from '../response.ts';
import type { ClientUser, ServerTransaction, TransactionUser } from '../transaction.ts';
import { Transactions, type TransactionsOptions } from '../transactions.ts';
import { FakeClock } from './fake-clock.ts';

export const SENT_BY = 'gateway.example:5061';

/** A transaction layer on a clock that stands still, with a user that notes what it is told. */
export class Bench implements TransactionUser {
  readonly clock = new FakeClock();
  readonly transactions: Transactions;
  /** What the user was told, in order, such as `request INVITE`. */
  readonly told: string[] = [];
  readonly servers: ServerTransaction[] = [];
  readonly responses: SipResponse[] = [];
  onRequest: (transaction: ServerTransaction) => void = () => {};
  #random = 0;

  constructor(options: Partial<TransactionsOptions> = {}) {
    this.transactions = new Transactions({
      user: this,
      clock: this.clock,
      random: () => (++this.#random).toString(16).padStart(32, '0'),
      sentBy: () => SENT_BY,
      limits: { transactions: 1_000, perPeer: 1_000 },
      ...options,
    });
  }

  /** The latest server transaction. */
  get server(): ServerTransaction {
    const server = this.servers.at(-1);
    if (server === undefined) throw new Error('No request was passed on.');
    return server;
  }

  request(transaction: ServerTransaction): void {
    this.told.push(`request ${transaction.request.method}`);
    this.servers.push(transaction);
    this.onRequest(transaction);
  }

  ack(ack: SipRequest): void {
    this.told.push(`ack ${ack.cseq.number}`);
  }

  cancelled(): void {
    this.told.push('cancelled');
  }

  response(response: SipResponse): void {
    this.told.push(`response ${response.status}`);
    this.responses.push(response);
  }

  lost(): void {
    this.told.push('lost');
  }

  /** What the user was told since the last look. */
  takeTold(): string[] {
    return this.told.splice(0);
  }

  /** Lets a message come over the wire. */
  receive(flow: Flow, message: SipMessage): void {
    const bytes = serialise(message);
    const end = bytes.indexOf('\r\n\r\n');
    this.transactions.message(flow, parseMessage(bytes.subarray(0, end), bytes.subarray(end + 4)));
  }

  respond(status: number, server: ServerTransaction = this.server): void {
    server.respond(respondTo(server.request, status));
  }
}

/** A client user that notes what it is told. */
export class NotedClient implements ClientUser {
  readonly told: string[] = [];

  provisional({ status }: SipResponse): void {
    this.told.push(`provisional ${status}`);
  }

  final({ status }: SipResponse): void {
    this.told.push(`final ${status}`);
  }

  failed(cause: 'timeout' | 'transport', unsent?: boolean): void {
    this.told.push(unsent === true ? `failed ${cause} unsent` : `failed ${cause}`);
  }

  take(): string[] {
    return this.told.splice(0);
  }
}

export interface Sketch {
  readonly branch?: string;
  readonly sentBy?: string;
  readonly cseq?: number;
  readonly callId?: string;
  readonly fromTag?: string;
  readonly toTag?: string;
  readonly via?: string;
}

/** A request as the peer sends it, with its Via. */
export function peerRequest(method: string, sketch: Sketch = {}): SipRequest {
  const { branch = 'z9hG4bKpeer', sentBy = 'pbx.partner.example', cseq = 1, toTag, via = '' } = sketch;
  const request = ourRequest(method, { ...sketch, cseq });
  if (toTag !== undefined) request.headers.set('To', `<sip:bob@home.example>;tag=${toTag}`);
  request.headers.addFirst('Via', `SIP/2.0/TLS ${sentBy};branch=${branch}${via}`);
  return request;
}

/** A request as our user hands it over, without a Via. */
export function ourRequest(method: string, { cseq = 1, callId = 'call', fromTag = 'alice' }: Sketch = {}): SipRequest {
  const request = new SipRequest(method, 'sip:bob@home.example');
  request.headers
    .add('Max-Forwards', '70')
    .add('From', `<sip:alice@partner.example>;tag=${fromTag}`)
    .add('To', '<sip:bob@home.example>')
    .add('Call-ID', callId)
    .add('CSeq', `${cseq} ${method}`);
  return request;
}

/** The response of the peer to a request of ours as it was sent. */
export function peerResponse(request: SipRequest, status: number, tag = 'peer'): SipResponse {
  const response = respondTo(request, status);
  response.headers.set('To', `${request.headers.get('To')};tag=${tag}`);
  return response;
}

/** A response as it stands, so that a test may bend it. */
export function bent(response: SipResponse, change: (response: SipResponse) => void): SipResponse {
  const copy = new SipResponse(response.status, response.reason, response.headers.clone(), response.body);
  change(copy);
  return copy;
}
