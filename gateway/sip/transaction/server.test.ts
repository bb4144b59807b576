import { describe, expect, it } from 'vitest';
import { respondTo } from './response.ts';
import { Bench, peerRequest } from './testing/bench.ts';
import { FakeFlow } from './testing/fake-flow.ts';
import { TRANSACTION_MS, TRYING_MS } from './timers.ts';
import type { ServerState } from './transaction.ts';

/** A number is a response of the user; capitals come from the peer. */
type Event = number | 'ACK' | 'CANCEL' | 'again' | 'trying' | 'timeout' | 'flow lost' | 'close';

interface Row {
  readonly before: readonly Event[];
  readonly event: Event;
  readonly state: ServerState;
  readonly sent?: readonly string[];
  readonly told?: readonly string[];
}

class Play {
  readonly bench = new Bench();
  readonly flow = new FakeFlow();
  readonly method: string;

  constructor(method: string) {
    this.method = method;
    this.bench.receive(this.flow, peerRequest(method));
  }

  do(event: Event): void {
    const { bench, flow } = this;
    if (typeof event === 'number') bench.respond(event);
    else if (event === 'ACK') bench.receive(flow, peerRequest('ACK', { toTag: bench.server.tag }));
    else if (event === 'CANCEL') bench.receive(flow, peerRequest('CANCEL'));
    else if (event === 'again') bench.receive(flow, peerRequest(this.method));
    else if (event === 'trying') bench.clock.advance(TRYING_MS);
    else if (event === 'timeout') bench.clock.advance(TRANSACTION_MS);
    else if (event === 'close') bench.transactions.close();
    else {
      flow.open = false;
      bench.transactions.closed(flow);
    }
  }

  outcome(): { state: ServerState; sent: string[]; told: string[] } {
    const sent = this.flow
      .take()
      .map((message) => (message.kind === 'request' ? message.method : `${message.status} ${message.cseq.method}`));
    return { state: this.bench.server.state, sent, told: this.bench.takeTold() };
  }
}

function check(method: string, { before, event, state, sent = [], told = [] }: Row): void {
  const play = new Play(method);
  for (const earlier of before) play.do(earlier);
  play.outcome();
  play.do(event);
  expect(play.outcome()).toEqual({ state, sent, told });
  const { load } = play.bench.transactions;
  expect(load.server).toBe(state === 'terminated' ? 0 : 1);
}

const title = '$before then $event: $state';

describe('an INVITE server transaction (RFC 3261 figure 7 with RFC 6026 §7.1)', () => {
  it.each<Row>([
    // Proceeding.
    { before: [], event: 'trying', state: 'proceeding', sent: ['100 INVITE'] },
    { before: [], event: 'again', state: 'proceeding' },
    { before: [], event: 100, state: 'proceeding', sent: ['100 INVITE'] },
    { before: [], event: 180, state: 'proceeding', sent: ['180 INVITE'] },
    { before: [], event: 200, state: 'accepted', sent: ['200 INVITE'] },
    { before: [], event: 486, state: 'completed', sent: ['486 INVITE'] },
    { before: [], event: 'ACK', state: 'proceeding' },
    { before: [], event: 'CANCEL', state: 'proceeding', sent: ['200 CANCEL'], told: ['cancelled'] },
    { before: [], event: 'flow lost', state: 'proceeding', told: ['lost'] },
    { before: [], event: 'close', state: 'terminated', told: ['lost'] },
    { before: ['trying'], event: 'again', state: 'proceeding', sent: ['100 INVITE'] },
    { before: ['trying'], event: 'timeout', state: 'proceeding' },
    { before: [180], event: 'trying', state: 'proceeding' },
    { before: [180], event: 'again', state: 'proceeding', sent: ['180 INVITE'] },
    { before: [100, 183], event: 'again', state: 'proceeding', sent: ['183 INVITE'] },
    { before: [180], event: 180, state: 'proceeding', sent: ['180 INVITE'] },
    { before: [180], event: 200, state: 'accepted', sent: ['200 INVITE'] },
    { before: [180], event: 603, state: 'completed', sent: ['603 INVITE'] },
    { before: [180], event: 'timeout', state: 'proceeding' },
    { before: [180], event: 'CANCEL', state: 'proceeding', sent: ['200 CANCEL'], told: ['cancelled'] },
    // Proceeding, cancelled.
    { before: [180, 'CANCEL'], event: 'CANCEL', state: 'proceeding', sent: ['200 CANCEL'] },
    { before: [180, 'CANCEL'], event: 487, state: 'completed', sent: ['487 INVITE'] },
    { before: [180, 'CANCEL'], event: 200, state: 'accepted', sent: ['200 INVITE'] },
    { before: [180, 'CANCEL'], event: 'flow lost', state: 'proceeding', told: ['lost'] },
    // Proceeding, its flow lost: what the user says goes nowhere, and ends it all the same.
    { before: ['flow lost'], event: 180, state: 'proceeding' },
    { before: ['flow lost'], event: 487, state: 'completed' },
    { before: ['flow lost'], event: 'trying', state: 'proceeding' },
    // Completed.
    { before: [486], event: 'again', state: 'completed', sent: ['486 INVITE'] },
    { before: [486], event: 'ACK', state: 'terminated' },
    { before: [486], event: 'CANCEL', state: 'completed', sent: ['200 CANCEL'] },
    { before: [486], event: 'timeout', state: 'terminated' },
    { before: [486], event: 'flow lost', state: 'completed' },
    { before: [486], event: 180, state: 'completed' },
    { before: [486], event: 200, state: 'completed' },
    { before: [486], event: 500, state: 'completed' },
    { before: [486], event: 'close', state: 'terminated' },
    { before: [486, 'flow lost'], event: 'timeout', state: 'terminated' },
    // Accepted.
    { before: [200], event: 'again', state: 'accepted' },
    { before: [200], event: 'ACK', state: 'accepted', told: ['ack 1'] },
    { before: [200], event: 200, state: 'accepted', sent: ['200 INVITE'] },
    { before: [200], event: 180, state: 'accepted' },
    { before: [200], event: 487, state: 'accepted' },
    { before: [200], event: 'CANCEL', state: 'accepted', sent: ['200 CANCEL'] },
    { before: [200], event: 'timeout', state: 'terminated' },
    { before: [200], event: 'flow lost', state: 'accepted' },
    { before: [200], event: 'close', state: 'terminated' },
    { before: ['CANCEL', 200], event: 'timeout', state: 'terminated' },
    // Terminated.
    { before: [486, 'ACK'], event: 200, state: 'terminated' },
    { before: [486, 'ACK'], event: 'CANCEL', state: 'terminated', sent: ['481 CANCEL'] },
    { before: [200, 'timeout'], event: 200, state: 'terminated' },
    { before: [200, 'timeout'], event: 'ACK', state: 'terminated', told: ['ack 1'] },
  ])(title, (row) => check('INVITE', row));

  it.each<{ readonly events: readonly Event[] }>([
    { events: [486, 'ACK'] },
    { events: [486, 'timeout'] },
    { events: [180, 'CANCEL', 487, 'ACK'] },
    { events: ['trying', 200, 'timeout'] },
    { events: ['trying', 'flow lost', 487, 'timeout'] },
    { events: ['close'] },
    { events: [180, 'close'] },
    { events: [200, 'close'] },
  ])('leaves no timer behind: $events', ({ events }) => {
    const play = new Play('INVITE');
    for (const event of events) play.do(event);
    expect(play.bench.clock.pending).toBe(0);
  });
});

describe('a server transaction other than INVITE (RFC 3261 figure 8)', () => {
  it.each<Row>([
    // Trying.
    { before: [], event: 'again', state: 'trying' },
    { before: [], event: 'trying', state: 'trying' },
    { before: [], event: 100, state: 'proceeding', sent: ['100 MESSAGE'] },
    { before: [], event: 200, state: 'terminated', sent: ['200 MESSAGE'] },
    { before: [], event: 404, state: 'terminated', sent: ['404 MESSAGE'] },
    { before: [], event: 'timeout', state: 'terminated' },
    { before: [], event: 'CANCEL', state: 'trying', sent: ['481 CANCEL'] },
    { before: [], event: 'flow lost', state: 'trying', told: ['lost'] },
    { before: [], event: 'close', state: 'terminated', told: ['lost'] },
    // Proceeding.
    { before: [100], event: 'again', state: 'proceeding', sent: ['100 MESSAGE'] },
    { before: [100], event: 202, state: 'terminated', sent: ['202 MESSAGE'] },
    { before: [100], event: 'timeout', state: 'terminated' },
    { before: [100], event: 'flow lost', state: 'proceeding', told: ['lost'] },
    // Lost: nobody hears the answer.
    { before: ['flow lost'], event: 200, state: 'terminated' },
    // Terminated.
    { before: [200], event: 500, state: 'terminated' },
    { before: ['timeout'], event: 200, state: 'terminated' },
  ])(title, (row) => check('MESSAGE', row));

  it('is ended as soon as its final response is given, and not before', () => {
    const { bench } = new Play('MESSAGE');
    expect(bench.server.ended).toBe(false);
    bench.respond(100);
    expect(bench.server.ended).toBe(false);
    bench.respond(200);
    expect(bench.server.ended).toBe(true);
  });
});

describe('a response', () => {
  it('gets the tag of the transaction unless it has one, and no 100 does', () => {
    const { bench, flow } = new Play('INVITE');
    for (const status of [100, 180, 200]) bench.respond(status);
    const to = flow.take().map(({ headers }) => headers.get('To'));
    const withTag = `<sip:bob@home.example>;tag=${bench.server.tag}`;
    expect(to).toEqual(['<sip:bob@home.example>', withTag, withTag]);
  });

  it('keeps a tag that the user chose, which the 200 to a CANCEL then has, too', () => {
    const { bench, flow } = new Play('INVITE');
    const ringing = respondTo(bench.server.request, 180);
    ringing.headers.set('To', '<sip:bob@home.example>;tag=chosen');
    bench.server.respond(ringing);
    bench.receive(flow, peerRequest('CANCEL'));
    bench.respond(487);
    expect(flow.take().map(({ headers }) => headers.get('To'))).toEqual(
      Array.from({ length: 3 }, () => '<sip:bob@home.example>;tag=chosen'),
    );
  });

  it('has the tag of the 200 to a CANCEL that came before any other response', () => {
    const { bench, flow } = new Play('INVITE');
    bench.receive(flow, peerRequest('CANCEL'));
    bench.respond(487);
    const [ok, terminated] = flow.take();
    expect(ok?.headers.get('To')).toContain(';tag=');
    expect(terminated?.headers.get('To')).toBe(ok?.headers.get('To'));
  });

  it('keeps the tag of a request within a dialog', () => {
    const bench = new Bench();
    const flow = new FakeFlow();
    bench.receive(flow, peerRequest('INVITE', { toTag: 'ours' }));
    bench.receive(flow, peerRequest('CANCEL', { toTag: 'ours' }));
    bench.respond(487);
    expect(flow.take().map(({ headers }) => headers.get('To'))).toEqual(
      Array.from({ length: 2 }, () => '<sip:bob@home.example>;tag=ours'),
    );
  });

  it('changes nothing where it cannot be sent', () => {
    const { bench, flow } = new Play('MESSAGE');
    const bad = respondTo(bench.server.request, 200, 'OK\r\nEvil: 1');
    expect(() => bench.server.respond(bad)).toThrow('CR, LF');
    expect(flow.take()).toEqual([]);
    bench.respond(500);
    expect(flow.takeResponse().status).toBe(500);
  });
});

describe('a flow that goes', () => {
  /** A request on one flow, and another one to the same peer. */
  function twoFlows(method: string): { bench: Bench; first: FakeFlow; second: FakeFlow; drop: () => void } {
    const first = new FakeFlow();
    const second = new FakeFlow();
    const bench = new Bench({ flowFor: () => second });
    bench.receive(first, peerRequest(method));
    const drop = (): void => {
      first.open = false;
      bench.transactions.closed(first);
    };
    return { bench, first, second, drop };
  }

  it('lets the response take another to the same peer, and nobody is lost (RFC 3261 §18.2.2)', () => {
    const { bench, second, drop } = twoFlows('INVITE');
    drop();
    bench.respond(200);
    expect(bench.takeTold()).toEqual(['request INVITE']);
    expect(second.takeResponse().status).toBe(200);
    expect(bench.server.flow).toBe(second);
  });

  it('does so also between its end and the word of it', () => {
    const { bench, first, second } = twoFlows('MESSAGE');
    first.open = false;
    bench.respond(200);
    expect(second.takeResponse().status).toBe(200);
  });

  it('lets the 2xx be repeated over another', () => {
    const { bench, first, second, drop } = twoFlows('INVITE');
    bench.respond(200);
    drop();
    bench.respond(200);
    expect([first.takeResponse().status, second.takeResponse().status]).toEqual([200, 200]);
  });

  it('is told as lost where no other is open, and a later one is taken all the same', () => {
    const { bench, second, drop } = twoFlows('INVITE');
    second.open = false;
    drop();
    expect(bench.takeTold()).toEqual(['request INVITE', 'lost']);
    second.open = true;
    bench.respond(487);
    expect(second.takeResponse().status).toBe(487);
  });

  it('is told as lost when the other one goes, too', () => {
    const { bench, second, drop } = twoFlows('INVITE');
    drop();
    second.open = false;
    bench.transactions.closed(second);
    expect(bench.takeTold()).toEqual(['request INVITE', 'lost']);
  });

  it('does not matter to those on others', () => {
    const bench = new Bench();
    bench.receive(new FakeFlow(), peerRequest('INVITE'));
    bench.transactions.closed(new FakeFlow());
    expect(bench.takeTold()).toEqual(['request INVITE']);
  });
});

describe('a request that comes again on another connection', () => {
  it('is answered there with the last response, and further ones follow it', () => {
    const { bench, flow } = new Play('INVITE');
    bench.respond(180);
    flow.take();
    const other = new FakeFlow();
    bench.receive(other, peerRequest('INVITE'));
    expect(other.takeResponse().status).toBe(180);
    bench.respond(486);
    expect([other.takeResponse().status, flow.take()]).toEqual([486, []]);
    bench.receive(other, peerRequest('ACK', { toTag: bench.server.tag }));
    expect([bench.transactions.load.server, bench.clock.pending]).toEqual([0, 0]);
  });

  it('is none of ours when it is another peer that sends it', () => {
    const { bench } = new Play('INVITE');
    const stranger = new FakeFlow({ leaf: 'stranger' });
    bench.receive(stranger, peerRequest('CANCEL'));
    expect([stranger.takeResponse().status, bench.takeTold()]).toEqual([481, ['request INVITE']]);
  });
});
