import { Headers } from '../../message/headers.ts';
import { SipRequest, type SipResponse } from '../../message/message.ts';
import { parseMessage } from '../../message/parse.ts';
import { serialise } from '../../message/serialise.ts';
import type { InRequest, SipHandlers, SubscribeAnswer, Trunk } from '../../port.ts';
import { respondTo, toTagOf } from '../../transaction/response.ts';
import { FakeClock } from '../../transaction/testing/fake-clock.ts';
import { FakeFlow } from '../../transaction/testing/fake-flow.ts';
import type { ServerTransaction, TransactionUser } from '../../transaction/transaction.ts';
import { Transactions } from '../../transaction/transactions.ts';
import { type Core, dialogLimits } from '../core.ts';
import { Dialogs } from '../dialogs.ts';
import { answer } from '../respond.ts';
import type { Place } from '../session.ts';
import { type SubscriptionLimits, Subscriptions } from '../subscriptions.ts';

type Fields = Readonly<Record<string, string>>;

/** Subscriptions of ours over real transactions; the peer at the other end is the test itself. */
export class SubscriptionBench implements TransactionUser {
  readonly clock = new FakeClock();
  readonly flow = new FakeFlow();
  readonly subscriptions: Subscriptions;
  readonly core: Core;
  readonly place: Place;
  readonly transactions: Transactions;
  /** What the handler is asked. */
  readonly asked: (InRequest & { readonly event: string; readonly expires: number })[] = [];
  decide: () => Promise<SubscribeAnswer> = async () => ({ accept: false, answer: { status: 403 } });
  #random = 0;
  #branch = 0;

  constructor(limits?: SubscriptionLimits) {
    this.subscriptions = new Subscriptions(limits);
    const random = (): string => (++this.#random).toString(16).padStart(32, '0');
    const handlers: Partial<SipHandlers> = {
      subscribe: (request) => {
        this.asked.push(request);
        return this.decide();
      },
    };
    this.core = {
      clock: this.clock,
      random: { token: random, fraction: () => 0.5 },
      limits: dialogLimits,
      dialogs: new Dialogs(),
      calls: new Set(),
      pending: new Map(),
      handlers: () => handlers as SipHandlers,
      defect: () => undefined,
    };
    this.transactions = new Transactions({
      user: this,
      clock: this.clock,
      random,
      sentBy: () => 'gateway.example:5061',
      limits: { transactions: 100, perPeer: 100 },
    });
    this.place = {
      core: this.core,
      trunk: { id: 'partner' } as Trunk,
      outbound: {
        send: (request, { user }) => this.transactions.request(this.flow, request, user),
        ack: () => {},
        contact: () => 'sip:gateway.example',
      },
    };
  }

  request(transaction: ServerTransaction): void {
    if (toTagOf(transaction.request) === '') this.subscriptions.receive(this.place, transaction);
    else {
      const owner = this.core.dialogs.ownerOf(transaction.request);
      if (owner === undefined) answer(transaction, { status: 481 });
      else owner.requested(transaction);
    }
  }

  ack(): void {}

  cancelled(): void {}

  response(): void {}

  lost(): void {}

  /** Lets a message come from the peer, and what hangs on it happen. */
  async receive(message: SipRequest | SipResponse): Promise<void> {
    const bytes = serialise(message);
    const end = bytes.indexOf('\r\n\r\n');
    this.transactions.message(this.flow, parseMessage(bytes.subarray(0, end), bytes.subarray(end + 4)));
    await this.pass(0);
  }

  /** Lets so many ms pass. */
  pass(ms: number): Promise<void> {
    return this.clock.advanceAsync(ms);
  }

  /** Answers a request of ours as the peer. */
  respond(request: SipRequest, status: number, fields: Fields = {}, tag = 'peer'): Promise<void> {
    const response = respondTo(request, status);
    if (toTagOf(response) === '') response.headers.set('To', `${request.headers.get('To')};tag=${tag}`);
    for (const [name, value] of Object.entries(fields)) response.headers.set(name, value);
    return this.receive(response);
  }

  /** A NOTIFY of the peer upon a SUBSCRIBE of ours. */
  notify(subscribe: SipRequest, cseq: number, fields: Fields = {}, { tag = 'peer', body = '' } = {}): Promise<void> {
    return this.ask(
      'NOTIFY',
      cseq,
      {
        From: `<sip:bob@partner.example>;tag=${tag}`,
        To: subscribe.headers.get('From') ?? '',
        'Call-ID': subscribe.callId,
        Event: 'presence',
        'Subscription-State': 'active;expires=3600',
        Contact: '<sip:bob@host.partner.example>',
        ...(body === '' ? {} : { 'Content-Type': 'text/plain' }),
        ...fields,
      },
      body,
    );
  }

  /** A SUBSCRIBE of the peer; with our tag within the dialog. */
  subscribe(cseq: number, fields: Fields = {}, toTag = ''): Promise<void> {
    return this.ask('SUBSCRIBE', cseq, {
      From: '<sip:bob@partner.example>;tag=peer',
      To: `<sip:alice@home.example>${toTag === '' ? '' : `;tag=${toTag}`}`,
      'Call-ID': 'theirs',
      Event: 'presence',
      Expires: '600',
      Contact: '<sip:bob@host.partner.example>',
      ...fields,
    });
  }

  ask(method: string, cseq: number, fields: Fields, body = ''): Promise<void> {
    const headers = new Headers([
      ['Via', `SIP/2.0/TLS pbx.partner.example;branch=z9hG4bK${++this.#branch}`],
      ['Max-Forwards', '70'],
      ['CSeq', `${cseq} ${method}`],
      ...Object.entries(fields).filter(([, value]) => value !== ''),
    ]);
    return this.receive(new SipRequest(method, 'sip:alice@home.example', headers, Buffer.from(body)));
  }

  /** Nothing is left of anything: no dialog, transaction or timer. */
  async left(): Promise<unknown> {
    await this.pass(100_000);
    const { client, server } = this.transactions.load;
    return {
      dialogs: this.core.dialogs.size,
      standing: this.subscriptions.size,
      client,
      server,
      timers: this.clock.pending,
    };
  }
}

export const nothing = { dialogs: 0, standing: 0, client: 0, server: 0, timers: 0 };
