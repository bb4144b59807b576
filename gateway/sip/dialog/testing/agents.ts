import { deepEqual, equal } from 'node:assert/strict';
import type { SipRequest } from '../../message/message.ts';
import type {
  Answer,
  CallResult,
  InCall,
  InRequest,
  OutCall,
  OutInvite,
  OutRequest,
  Reply,
  Session,
  SipHandlers,
  SubscribeAnswer,
  Trunk,
} from '../../port.ts';
import { FakeClock } from '../../transaction/testing/fake-clock.ts';
import { Transactions } from '../../transaction/transactions.ts';
import type { DialogLimits } from '../core.ts';
import type { Outbound } from '../outbound.ts';
import type { Random } from '../random.ts';
import { UserAgent } from '../user-agent.ts';
import { type Side, Wire } from './wire.ts';

export const offer = 'v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n';
export const otherOffer = offer.replace('4000', '4002');
export const reply = 'v=0\r\no=- 2 1 IN IP4 192.0.2.2\r\ns=-\r\nt=0 0\r\nm=audio 5000 RTP/AVP 0\r\n';
export const otherReply = reply.replace('5000', '5002');

/** Random values that count up, and fractions that a test may set. */
export class CountedRandom implements Random {
  next = 0.5;
  #count: number;

  constructor(start: number) {
    this.#count = start;
  }

  token(): string {
    this.#count += 1;
    return this.#count.toString(16).padStart(32, '0');
  }

  fraction(): number {
    return this.next;
  }
}

/** One user agent over real transactions, with the calls and requests that came in to it. */
export class Agent {
  readonly random: CountedRandom;
  readonly agent: UserAgent;
  readonly transactions: Transactions;
  readonly trunk: Trunk;
  readonly outbound: Outbound;
  readonly calls: InCall[] = [];
  readonly requests: InRequest[] = [];
  /** What must not have happened. */
  readonly defects: unknown[] = [];
  /** Thrown by every handler, where it is set. */
  breaks: Error | undefined;
  /** What requests out of dialog are answered. */
  answers: Answer = { status: 200 };
  /** What a SUBSCRIBE is answered. */
  subscribed: SubscribeAnswer = { accept: false, answer: { status: 489 } };
  /** Refuses what comes in, where it is set. */
  refuses: Answer | undefined;
  /** Whether a new flow takes the place of a lost one for what still waits for a response. */
  reconnects = false;
  wire: Wire | undefined;
  readonly #side: Side;

  constructor(side: Side, clock: FakeClock, limits: Partial<DialogLimits>) {
    this.#side = side;
    this.random = new CountedRandom(side === 'a' ? 0xa000 : 0xb000);
    this.trunk = trunkNamed(side === 'a' ? 'b.example' : 'a.example');
    this.outbound = this.#makeOutbound();
    const handlers: SipHandlers = {
      invite: (call) => {
        this.#breakDown();
        this.calls.push(call);
      },
      request: (request) => {
        this.#breakDown();
        this.requests.push(request);
        return Promise.resolve(this.answers);
      },
      subscribe: () => {
        this.#breakDown();
        return Promise.resolve(this.subscribed);
      },
      trunk: () => undefined,
    };
    this.agent = new UserAgent({
      clock,
      random: this.random,
      handlers: () => handlers,
      defect: (error) => this.defects.push(error),
      trunkOf: () => this.refuses ?? { trunk: this.trunk, outbound: this.outbound },
      limits,
    });
    this.transactions = new Transactions({
      user: this.agent,
      clock,
      random: () => this.random.token(),
      sentBy: () => `${side}.example:5061`,
      limits: { transactions: 10_000, perPeer: 10_000 },
      flowFor: () => (this.reconnects ? this.wire?.flow(side) : undefined),
    });
  }

  /** Calls the other side. */
  invite(options: Partial<OutInvite> = {}): OutCall {
    const there = this.#side === 'a' ? 'b.example' : 'a.example';
    const here = this.#side === 'a' ? 'a.example' : 'b.example';
    return this.agent.invite(this.trunk, this.outbound, {
      target: `sip:bob@${there}`,
      from: { uri: `sip:alice@${here}`, display: 'Alice' },
      to: { uri: `sip:bob@${there}` },
      offer,
      ...options,
    });
  }

  /** A request out of dialog to the other side. */
  send(options: Partial<OutRequest> = {}): Promise<Reply> {
    return this.agent.send(this.outbound, {
      method: 'MESSAGE',
      target: 'sip:bob@b.example',
      from: { uri: 'sip:alice@a.example' },
      to: { uri: 'sip:bob@b.example' },
      ...options,
    });
  }

  /** The latest call that came in. */
  get call(): InCall {
    const call = this.calls.at(-1);
    if (call === undefined) throw new Error('No call came in.');
    return call;
  }

  #breakDown(): void {
    if (this.breaks !== undefined) throw this.breaks;
  }

  #makeOutbound(): Outbound {
    const flow = () => {
      if (this.wire === undefined) throw new Error('No wire.');
      return this.wire.flow(this.#side);
    };
    return {
      send: (request: SipRequest, { user }) => this.transactions.request(flow(), request, user),
      ack: (ack: SipRequest) => this.transactions.send(flow(), ack),
      contact: () => `sip:gateway@${this.#side}.example;transport=tls`,
    };
  }
}

/** Two user agents back to back, and a clock that moves both. */
export class Pair {
  readonly clock = new FakeClock();
  readonly a: Agent;
  readonly b: Agent;
  readonly wire: Wire;

  constructor(limits: Partial<DialogLimits> = {}, limitsOfB = limits) {
    this.a = new Agent('a', this.clock, limits);
    this.b = new Agent('b', this.clock, limitsOfB);
    this.wire = new Wire(this.clock, { a: this.a.transactions, b: this.b.transactions });
    this.a.wire = this.wire;
    this.b.wire = this.wire;
  }

  /** Lets so many ms pass; 20 are enough for a few messages each way. */
  async run(ms = 20): Promise<void> {
    await this.clock.advanceAsync(ms);
  }

  /** A call from a to b that stands. */
  async talk(options: Partial<OutInvite> = {}): Promise<{ readonly a: Session; readonly b: Session }> {
    const out = this.a.invite(options);
    await this.run();
    const answered = this.b.call.answer(reply);
    await this.run();
    const result = await out.result;
    if (!result.ok) throw new Error('The call was not answered.');
    return { a: result.session, b: await answered };
  }

  /** Ends what stands, lets all transactions run out, and finds nothing left behind. */
  async nothingLeft(): Promise<void> {
    await this.run(40_000);
    for (const { agent, transactions } of [this.a, this.b]) {
      deepEqual(agent.load, { calls: 0, dialogs: 0, pending: 0 });
      deepEqual(transactions.load, { client: 0, server: 0 });
    }
    equal(this.clock.pending, 0);
  }
}

/** The session of a call that must have been answered. */
export function sessionOf(result: CallResult): Session {
  if (!result.ok) throw new Error(`Refused with ${result.reply.status}.`);
  return result.session;
}

function trunkNamed(domain: string): Trunk {
  const unused = (): never => {
    throw new Error('The gateway is not part of this test.');
  };
  return { id: domain, domain, kind: 'partner', state: 'up', invite: unused, request: unused, subscribe: unused };
}
