import { describe, expect, it } from 'vitest';
import type { SipRequest } from '../message/message.ts';
import { Bench, bent, NotedClient, ourRequest, peerResponse, SENT_BY } from './testing/bench.ts';
import { FakeFlow } from './testing/fake-flow.ts';
import { TRANSACTION_MS } from './timers.ts';
import type { ClientState, ClientTransaction } from './transaction.ts';

type Event = number | 'cancel' | 'timeout' | 'flow lost' | 'close';

class Play {
  readonly bench = new Bench();
  readonly flow = new FakeFlow();
  readonly user = new NotedClient();
  readonly client: ClientTransaction;
  readonly sent: SipRequest;

  constructor(request: SipRequest) {
    this.client = this.bench.transactions.request(this.flow, request, this.user);
    this.sent = this.flow.takeRequest();
  }

  do(event: Event): void {
    if (typeof event === 'number') this.bench.receive(this.flow, peerResponse(this.sent, event));
    else if (event === 'cancel') this.client.cancel();
    else if (event === 'timeout') this.bench.clock.advance(TRANSACTION_MS);
    else if (event === 'close') this.bench.transactions.close();
    else {
      this.flow.open = false;
      this.bench.transactions.closed(this.flow);
    }
  }

  outcome(): { state: ClientState; sent: string[]; told: string[]; left: number } {
    const sent = this.flow.take().map((message) => (message.kind === 'request' ? message.method : 'a response'));
    return { state: this.client.state, sent, told: this.user.take(), left: this.bench.clock.pending };
  }
}

interface Row {
  readonly before: readonly Event[];
  readonly event: Event;
  readonly state: ClientState;
  readonly sent?: readonly string[];
  readonly told?: readonly string[];
}

function check(method: string, { before, event, state, sent = [], told = [] }: Row): void {
  const play = new Play(ourRequest(method));
  for (const earlier of before) play.do(earlier);
  play.outcome();
  play.do(event);
  const after = play.outcome();
  expect({ state: after.state, sent: after.sent, told: after.told }).toEqual({ state, sent, told });
  if (state !== 'terminated') return;
  expect([after.left, play.bench.transactions.load.client]).toEqual([0, 0]);
}

const title = '$before then $event: $state';

describe('an INVITE client transaction (RFC 3261 figure 5 with RFC 6026 §7.2)', () => {
  it.each<Row>([
    // Calling.
    { before: [], event: 100, state: 'proceeding', told: ['provisional 100'] },
    { before: [], event: 183, state: 'proceeding', told: ['provisional 183'] },
    { before: [], event: 200, state: 'accepted', told: ['final 200'] },
    { before: [], event: 302, state: 'terminated', sent: ['ACK'], told: ['final 302'] },
    { before: [], event: 486, state: 'terminated', sent: ['ACK'], told: ['final 486'] },
    { before: [], event: 503, state: 'terminated', sent: ['ACK'], told: ['final 503'] },
    { before: [], event: 603, state: 'terminated', sent: ['ACK'], told: ['final 603'] },
    { before: [], event: 'timeout', state: 'terminated', told: ['failed timeout'] },
    { before: [], event: 'flow lost', state: 'terminated', told: ['failed transport'] },
    { before: [], event: 'close', state: 'terminated', told: ['failed transport'] },
    { before: [], event: 'cancel', state: 'calling' },
    // Calling, to be cancelled with the first 1xx.
    { before: ['cancel'], event: 100, state: 'proceeding', sent: ['CANCEL'], told: ['provisional 100'] },
    { before: ['cancel'], event: 'cancel', state: 'calling' },
    { before: ['cancel'], event: 200, state: 'accepted', told: ['final 200'] },
    { before: ['cancel'], event: 486, state: 'terminated', sent: ['ACK'], told: ['final 486'] },
    { before: ['cancel'], event: 'timeout', state: 'terminated', told: ['failed timeout'] },
    { before: ['cancel'], event: 'flow lost', state: 'terminated', told: ['failed transport'] },
    // Proceeding: no timer of ours limits the callee's patience.
    { before: [100], event: 180, state: 'proceeding', told: ['provisional 180'] },
    { before: [180], event: 180, state: 'proceeding', told: ['provisional 180'] },
    { before: [180], event: 200, state: 'accepted', told: ['final 200'] },
    { before: [180], event: 404, state: 'terminated', sent: ['ACK'], told: ['final 404'] },
    { before: [180], event: 'timeout', state: 'proceeding' },
    { before: [180], event: 'flow lost', state: 'terminated', told: ['failed transport'] },
    { before: [180], event: 'close', state: 'terminated', told: ['failed transport'] },
    { before: [180], event: 'cancel', state: 'proceeding', sent: ['CANCEL'] },
    // Proceeding, cancelled.
    { before: [180, 'cancel'], event: 'cancel', state: 'proceeding' },
    { before: [180, 'cancel'], event: 183, state: 'proceeding', told: ['provisional 183'] },
    { before: [180, 'cancel'], event: 487, state: 'terminated', sent: ['ACK'], told: ['final 487'] },
    { before: [180, 'cancel'], event: 200, state: 'accepted', told: ['final 200'] },
    { before: [180, 'cancel'], event: 'timeout', state: 'terminated', told: ['failed timeout'] },
    { before: [180, 'cancel'], event: 'flow lost', state: 'terminated', told: ['failed transport'] },
    // Accepted: repeats and forks reach the user, nothing else does.
    { before: [200], event: 200, state: 'accepted', told: ['final 200'] },
    { before: [200], event: 180, state: 'accepted' },
    { before: [200], event: 486, state: 'accepted' },
    { before: [200], event: 'cancel', state: 'accepted' },
    { before: [200], event: 'flow lost', state: 'accepted' },
    { before: [200], event: 'timeout', state: 'terminated' },
    { before: [200], event: 'close', state: 'terminated' },
    { before: [180, 'cancel', 200], event: 'timeout', state: 'terminated' },
    // Terminated.
    { before: [486], event: 486, state: 'terminated' },
    { before: [486], event: 180, state: 'terminated' },
    { before: [486], event: 'cancel', state: 'terminated' },
    { before: [486], event: 'flow lost', state: 'terminated' },
    { before: ['timeout'], event: 486, state: 'terminated' },
  ])(title, (row) => check('INVITE', row));

  it('gives a 2xx that comes behind its end to the user of the whole', () => {
    const play = new Play(ourRequest('INVITE'));
    play.do(486);
    play.user.take();
    play.do(200);
    expect([play.user.take(), play.bench.takeTold()]).toEqual([[], ['response 200']]);
  });

  it('acknowledges a refusal with the Via, the Routes and the number of the INVITE, and the To of the response', () => {
    const invite = ourRequest('INVITE', { cseq: 314 });
    invite.headers.add('Route', '<sip:p1.example;lr>').add('Route', '<sip:p2.example;lr>');
    const play = new Play(invite);
    play.do(486);
    const ack = play.flow.takeRequest();
    expect(ack.uri).toBe(invite.uri);
    expect(Object.fromEntries(['Via', 'Route'].map((name) => [name, ack.headers.all(name)]))).toEqual({
      Via: [play.sent.headers.get('Via')],
      Route: ['<sip:p1.example;lr>', '<sip:p2.example;lr>'],
    });
    expect(ack.headers.get('To')).toBe('<sip:bob@home.example>;tag=peer');
    expect(ack.headers.get('From')).toBe(invite.headers.get('From'));
    expect(ack.callId).toBe('call');
    expect(ack.headers.get('CSeq')).toBe('314 ACK');
  });

  it('cancels with the Via, the Routes and the To of the INVITE, and the reason given', () => {
    const invite = ourRequest('INVITE', { cseq: 314 });
    invite.headers.add('Route', '<sip:p1.example;lr>').add('Require', '100rel');
    const play = new Play(invite);
    play.do(180);
    play.client.cancel([['Reason', 'SIP;cause=200;text="Call completed elsewhere"']]);
    const cancel = play.flow.takeRequest();
    expect(cancel.headers.all('Via')).toEqual(play.sent.headers.all('Via'));
    expect(cancel.headers.all('Route')).toEqual(['<sip:p1.example;lr>']);
    expect(cancel.headers.get('To')).toBe('<sip:bob@home.example>');
    expect(cancel.headers.get('CSeq')).toBe('314 CANCEL');
    expect(cancel.headers.get('Reason')).toContain('cause=200');
    expect(cancel.headers.has('Require')).toBe(false);
  });

  it('refuses a CANCEL that would break the message, and can still be cancelled', () => {
    const play = new Play(ourRequest('INVITE'));
    play.do(180);
    expect(() => play.client.cancel([['Reason', 'SIP\r\nEvil: 1']])).toThrow('CR, LF');
    play.do('cancel');
    expect(play.flow.takeRequest().method).toBe('CANCEL');
  });

  it('is told of no response to its CANCEL', () => {
    const play = new Play(ourRequest('INVITE'));
    play.do(180);
    play.do('cancel');
    const cancel = play.flow.takeRequest();
    play.user.take();
    for (const status of [200, 481]) play.bench.receive(play.flow, peerResponse(cancel, status));
    expect([play.user.take(), play.bench.takeTold(), play.client.state]).toEqual([[], [], 'proceeding']);
  });
});

describe('a client transaction other than INVITE (RFC 3261 figure 6)', () => {
  it.each<Row>([
    { before: [], event: 100, state: 'proceeding', told: ['provisional 100'] },
    { before: [], event: 200, state: 'terminated', told: ['final 200'] },
    { before: [], event: 404, state: 'terminated', told: ['final 404'] },
    { before: [], event: 'timeout', state: 'terminated', told: ['failed timeout'] },
    { before: [], event: 'flow lost', state: 'terminated', told: ['failed transport'] },
    { before: [], event: 'cancel', state: 'trying' },
    { before: [100], event: 183, state: 'proceeding', told: ['provisional 183'] },
    { before: [100], event: 202, state: 'terminated', told: ['final 202'] },
    { before: [100], event: 500, state: 'terminated', told: ['final 500'] },
    { before: [100], event: 'timeout', state: 'terminated', told: ['failed timeout'] },
    { before: [100], event: 'flow lost', state: 'terminated', told: ['failed transport'] },
    { before: [100], event: 'cancel', state: 'proceeding' },
    { before: [100], event: 'close', state: 'terminated', told: ['failed transport'] },
    { before: [200], event: 200, state: 'terminated' },
    { before: [200], event: 'flow lost', state: 'terminated' },
    { before: ['timeout'], event: 200, state: 'terminated' },
  ])(title, (row) => check('MESSAGE', row));

  it('keeps timer F running from the request on, whatever is provisional', () => {
    const play = new Play(ourRequest('MESSAGE'));
    play.bench.clock.advance(TRANSACTION_MS - 1);
    play.do(100);
    play.bench.clock.advance(1);
    expect(play.user.take()).toEqual(['provisional 100', 'failed timeout']);
  });
});

describe('what a client transaction sends', () => {
  it('is a copy with our Via on top', () => {
    const request = ourRequest('MESSAGE');
    request.headers.add('Via', 'SIP/2.0/TLS inner.example;branch=z9hG4bKinner');
    request.body = Buffer.from('hello');
    const play = new Play(request);
    const [top, below] = play.sent.headers.all('Via');
    expect(top).toMatch(/^SIP\/2\.0\/TLS gateway\.example:5061;branch=z9hG4bK[0-9a-f]{32};alias$/);
    expect(below).toContain('z9hG4bKinner');
    expect(play.sent.body.toString()).toBe('hello');
    expect(request.headers.all('Via')).toHaveLength(1);
    expect(request.body.toString()).toBe('hello');
    expect(play.client.request.body).toHaveLength(0);
  });

  it('asks for no alias without TLS', () => {
    const bench = new Bench();
    const flow = new FakeFlow({ secure: false });
    bench.transactions.request(flow, ourRequest('OPTIONS'), new NotedClient());
    expect(flow.takeRequest().headers.get('Via')).toMatch(/^SIP\/2\.0\/TCP gateway\.example:5061;branch=z9hG4bK\w+$/);
  });

  it('has another branch every time', () => {
    const bench = new Bench();
    const flow = new FakeFlow();
    const request = ourRequest('MESSAGE');
    for (let n = 0; n < 3; n++) bench.transactions.request(flow, request, new NotedClient());
    const branches = flow.take().map((sent) => sent.topVia.branch);
    expect(new Set(branches).size).toBe(3);
  });

  it('is nothing where a value cannot be sent', () => {
    const bench = new Bench();
    const flow = new FakeFlow();
    const request = ourRequest('MESSAGE');
    request.headers.add('Subject', 'x\r\nEvil: 1');
    expect(() => bench.transactions.request(flow, request, new NotedClient())).toThrow('CR, LF');
    expect([flow.take(), bench.transactions.load.client, bench.clock.pending]).toEqual([[], 0, 0]);
  });
});

describe('a request that cannot be sent', () => {
  const refused = async (bench: Bench, flow: FakeFlow): Promise<void> => {
    const user = new NotedClient();
    const client = bench.transactions.request(flow, ourRequest('INVITE'), user);
    expect(user.take()).toEqual([]);
    await Promise.resolve();
    expect([user.take(), client.state]).toEqual([['failed transport unsent'], 'terminated']);
  };

  it('fails unsent, once the caller has it in hand, on a flow that is closed', async () => {
    const flow = new FakeFlow();
    flow.close();
    await refused(new Bench(), flow);
  });

  it('does so past the limit', async () => {
    const bench = new Bench({ limits: { transactions: 1, perPeer: 9 } });
    const flow = new FakeFlow();
    bench.transactions.request(flow, ourRequest('MESSAGE'), new NotedClient());
    await refused(bench, flow);
    expect(bench.transactions.load.client).toBe(1);
  });

  it('does so when all is closed', async () => {
    const bench = new Bench();
    bench.transactions.close();
    await refused(bench, new FakeFlow());
  });

  it('fails only once the caller has it in hand when the flow ends under the writing', async () => {
    const bench = new Bench();
    class Brittle extends FakeFlow {
      override send(): void {
        this.open = false;
        bench.transactions.closed(this);
      }
    }
    const user = new NotedClient();
    bench.transactions.request(new Brittle(), ourRequest('MESSAGE'), user);
    expect(user.take()).toEqual([]);
    await Promise.resolve();
    expect(user.take()).toEqual(['failed transport']);
    expect([bench.transactions.load.client, bench.clock.pending]).toEqual([0, 0]);
  });
});

describe('a response that is not ours', () => {
  it.each<[string, (play: Play) => void]>([
    [
      'names another sent-by',
      (play) => {
        const response = peerResponse(play.sent, 200);
        const via = (response.headers.get('Via') ?? '').replace(SENT_BY, 'other.example');
        play.bench.receive(
          play.flow,
          bent(response, ({ headers }) => headers.set('Via', via)),
        );
      },
    ],
    [
      'has a second Via',
      (play) => {
        const second = 'SIP/2.0/TLS inner.example;branch=z9hG4bKinner';
        play.bench.receive(
          play.flow,
          bent(peerResponse(play.sent, 200), ({ headers }) => headers.add('Via', second)),
        );
      },
    ],
    [
      'names another method',
      (play) => {
        const other = bent(peerResponse(play.sent, 200), ({ headers }) => headers.set('CSeq', '1 OPTIONS'));
        play.bench.receive(play.flow, other);
      },
    ],
    [
      'has an unknown branch',
      (play) => {
        const via = `SIP/2.0/TLS ${SENT_BY};branch=z9hG4bKunknown`;
        play.bench.receive(
          play.flow,
          bent(peerResponse(play.sent, 486), ({ headers }) => headers.set('Via', via)),
        );
      },
    ],
    [
      'comes from another peer',
      (play) => play.bench.receive(new FakeFlow({ leaf: 'other' }), peerResponse(play.sent, 486)),
    ],
    [
      'is malformed',
      (play) => {
        play.bench.receive(
          play.flow,
          bent(peerResponse(play.sent, 200), ({ headers }) => headers.set('CSeq', 'one')),
        );
      },
    ],
  ])('is dropped: it %s', (_, happen) => {
    const play = new Play(ourRequest('INVITE'));
    happen(play);
    expect(play.outcome()).toEqual({ state: 'calling', sent: [], told: [], left: 1 });
    expect(play.bench.takeTold()).toEqual([]);
  });

  it('is one of ours on another connection of the peer', () => {
    const play = new Play(ourRequest('INVITE'));
    play.bench.receive(new FakeFlow(), peerResponse(play.sent, 180));
    expect(play.user.take()).toEqual(['provisional 180']);
  });

  it.each([
    ['a stray 2xx to INVITE', 200, SENT_BY, ['response 200']],
    ['a stray refusal', 486, SENT_BY, []],
    ['a stray 2xx that names another sent-by', 200, 'other.example:5061', []],
  ])('reaches the user only as a 2xx that is ours: %s', (_, status, sentBy, told) => {
    const bench = new Bench();
    const invite = ourRequest('INVITE');
    invite.headers.addFirst('Via', `SIP/2.0/TLS ${sentBy};branch=z9hG4bKgone`);
    bench.receive(new FakeFlow(), peerResponse(invite, status));
    expect(bench.takeTold()).toEqual(told);
  });
});

describe('the ACK to a 2xx', () => {
  it('goes out with a Via of its own and no transaction', () => {
    const bench = new Bench();
    const flow = new FakeFlow();
    bench.transactions.send(flow, ourRequest('ACK'));
    expect(flow.takeRequest().topVia.branch).toMatch(/^z9hG4bK/);
    expect([bench.transactions.load.client, bench.clock.pending]).toEqual([0, 0]);
  });

  it('is dropped on a flow that is closed', () => {
    const flow = new FakeFlow();
    flow.close();
    new Bench().transactions.send(flow, ourRequest('ACK'));
    expect(flow.take()).toEqual([]);
  });
});
