import { describe, expect, it } from 'vitest';
import { Fault } from '../../../policies/fault.ts';
import type { SipRequest } from '../message/message.ts';
import { respondTo } from './response.ts';
import { Bench, NotedClient, ourRequest, peerRequest, peerResponse } from './testing/bench.ts';
import { FakeFlow } from './testing/fake-flow.ts';
import { TRANSACTION_MS } from './timers.ts';

const statuses = (flow: FakeFlow): (number | string)[] =>
  flow.take().map((message) => (message.kind === 'response' ? message.status : message.method));

describe('a merged request (RFC 3261 §8.2.2.2)', () => {
  it('is answered 482 while the first is under way, on whatever flow of the peer', () => {
    const bench = new Bench();
    const flow = new FakeFlow();
    const other = new FakeFlow();
    bench.receive(flow, peerRequest('INVITE', { branch: 'z9hG4bKpath1' }));
    bench.receive(other, peerRequest('INVITE', { branch: 'z9hG4bKpath2' }));
    expect(bench.takeTold()).toEqual(['request INVITE']);
    expect(statuses(other)).toEqual([482]);
  });

  it('is not one where the ACK of its 482 comes', () => {
    const bench = new Bench();
    const flow = new FakeFlow();
    bench.receive(flow, peerRequest('INVITE', { branch: 'z9hG4bKpath1' }));
    bench.receive(flow, peerRequest('INVITE', { branch: 'z9hG4bKpath2' }));
    const toTag = flow.takeResponse().to.params.get('tag') ?? '';
    bench.receive(flow, peerRequest('ACK', { branch: 'z9hG4bKpath2', toTag }));
    expect(bench.takeTold()).toEqual(['request INVITE']);
  });

  it.each<[string, Parameters<typeof peerRequest>[1]]>([
    ['another From tag', { fromTag: 'other' }],
    ['another Call-ID', { callId: 'other' }],
    ['another CSeq', { cseq: 2 }],
    ['a To tag', { toTag: 'ours' }],
  ])('is none with %s', (_, other) => {
    const bench = new Bench();
    const flow = new FakeFlow();
    bench.receive(flow, peerRequest('MESSAGE', { branch: 'z9hG4bKpath1' }));
    bench.receive(flow, peerRequest('MESSAGE', { branch: 'z9hG4bKpath2', ...other }));
    expect(bench.takeTold()).toEqual(['request MESSAGE', 'request MESSAGE']);
  });

  it('is none of another peer, who could otherwise find out or prevent calls', () => {
    const bench = new Bench();
    bench.receive(new FakeFlow(), peerRequest('MESSAGE', { branch: 'z9hG4bKpath1' }));
    bench.receive(new FakeFlow({ leaf: 'other' }), peerRequest('MESSAGE', { branch: 'z9hG4bKpath2' }));
    expect(bench.takeTold()).toEqual(['request MESSAGE', 'request MESSAGE']);
  });

  it.each([
    ['MESSAGE', 200, [482], 'is still one behind a 2xx, for what took effect must not do so twice'],
    ['INVITE', 200, [482], 'is still one behind a 2xx, for what took effect must not do so twice'],
    ['MESSAGE', 503, [], 'is none behind a refusal, for the sender may try again'],
    ['INVITE', 486, [], 'is none behind a refusal, for the sender may try again'],
  ])('%s %i: %j: %s', (method, status, sent) => {
    const bench = new Bench();
    const flow = new FakeFlow();
    bench.receive(flow, peerRequest(method, { branch: 'z9hG4bKpath1' }));
    bench.respond(status);
    flow.take();
    bench.receive(flow, peerRequest(method, { branch: 'z9hG4bKpath2' }));
    expect(statuses(flow)).toEqual(sent);
  });

  it('is forgotten in time', () => {
    const bench = new Bench();
    const flow = new FakeFlow();
    bench.receive(flow, peerRequest('MESSAGE', { branch: 'z9hG4bKpath1' }));
    bench.respond(200);
    bench.clock.advance(2 * TRANSACTION_MS);
    bench.receive(flow, peerRequest('MESSAGE', { branch: 'z9hG4bKpath2' }));
    expect(bench.takeTold()).toEqual(['request MESSAGE', 'request MESSAGE']);
  });

  it('is forgotten when the first was never answered', () => {
    const bench = new Bench();
    const flow = new FakeFlow();
    bench.receive(flow, peerRequest('MESSAGE', { branch: 'z9hG4bKpath1' }));
    bench.clock.advance(TRANSACTION_MS);
    bench.receive(flow, peerRequest('MESSAGE', { branch: 'z9hG4bKpath2' }));
    expect(bench.takeTold()).toEqual(['request MESSAGE', 'request MESSAGE']);
  });

  it('is remembered of the latest only', () => {
    const bench = new Bench({ limits: { transactions: 2, perPeer: 9 } });
    const flow = new FakeFlow();
    for (const callId of ['a', 'b', 'c']) {
      bench.receive(flow, peerRequest('MESSAGE', { branch: `z9hG4bK1${callId}`, callId }));
      bench.respond(200);
    }
    bench.takeTold();
    flow.take();
    for (const callId of ['a', 'b', 'c']) {
      bench.receive(flow, peerRequest('MESSAGE', { branch: `z9hG4bK2${callId}`, callId }));
    }
    expect([bench.takeTold(), statuses(flow)]).toEqual([['request MESSAGE'], [482, 482]]);
  });
});

describe('the matching of requests (RFC 3261 §17.2.3)', () => {
  it.each<[string, Parameters<typeof peerRequest>[1]]>([
    ['branch', { branch: 'z9hG4bKother' }],
    ['sent-by host', { sentBy: 'other.partner.example' }],
    ['sent-by port', { sentBy: 'pbx.partner.example:5071' }],
  ])('tells transactions apart by the %s', (_, other) => {
    const bench = new Bench();
    const flow = new FakeFlow();
    bench.receive(flow, peerRequest('MESSAGE', { callId: 'a' }));
    bench.receive(flow, peerRequest('MESSAGE', { callId: 'b', ...other }));
    expect(bench.takeTold()).toHaveLength(2);
  });

  it('tells methods apart, also under one branch', () => {
    const bench = new Bench();
    const flow = new FakeFlow();
    bench.receive(flow, peerRequest('INVITE'));
    bench.receive(flow, peerRequest('UPDATE', { cseq: 2 }));
    bench.receive(flow, peerRequest('CANCEL'));
    expect(bench.takeTold()).toEqual(['request INVITE', 'request UPDATE', 'cancelled']);
  });

  it('knows sent-by in any case', () => {
    const bench = new Bench();
    const flow = new FakeFlow();
    bench.receive(flow, peerRequest('MESSAGE'));
    bench.receive(flow, peerRequest('MESSAGE', { sentBy: 'PBX.partner.EXAMPLE' }));
    expect(bench.takeTold()).toHaveLength(1);
  });

  it('gives the user an ACK with a branch of its own, as that of a 2xx has', () => {
    const bench = new Bench();
    const flow = new FakeFlow();
    bench.receive(flow, peerRequest('INVITE'));
    bench.respond(200);
    bench.receive(flow, peerRequest('ACK', { branch: 'z9hG4bKack', toTag: bench.server.tag }));
    expect(bench.takeTold()).toEqual(['request INVITE', 'ack 1']);
  });

  it('drops an ACK without a To tag', () => {
    const bench = new Bench();
    const flow = new FakeFlow();
    bench.receive(flow, peerRequest('ACK'));
    expect([bench.takeTold(), flow.take()]).toEqual([[], []]);
  });

  it('answers a CANCEL of what is unknown with 481', () => {
    const flow = new FakeFlow();
    new Bench().receive(flow, peerRequest('CANCEL'));
    const response = flow.takeResponse();
    expect([response.status, response.cseq.method]).toEqual([481, 'CANCEL']);
  });
});

describe('a request that is malformed', () => {
  const cseqOfOther = (request: SipRequest): unknown => request.headers.set('CSeq', '1 OPTIONS');

  it.each<[string, string, (request: SipRequest) => unknown, number[]]>([
    ['another method in the CSeq', 'MESSAGE', cseqOfOther, [400]],
    ['a From that cannot be read', 'MESSAGE', ({ headers }) => headers.set('From', '<sip:a@b.example'), [400]],
    ['no Call-ID', 'MESSAGE', ({ headers }) => headers.delete('Call-ID'), [400]],
    ['a branch of RFC 2543', 'MESSAGE', ({ headers }) => headers.set('Via', 'SIP/2.0/TLS a.example;branch=1'), [400]],
    ['a Via that cannot be read', 'MESSAGE', ({ headers }) => headers.set('Via', 'nonsense'), [400]],
    ['no Via', 'MESSAGE', ({ headers }) => headers.delete('Via'), []],
    ['another method in the CSeq', 'ACK', cseqOfOther, []],
    ['a branch of RFC 2543', 'ACK', ({ headers }) => headers.set('Via', 'SIP/2.0/TLS a.example;branch=1'), []],
  ])('has %s: a %s', (_, method, bend, sent) => {
    const bench = new Bench();
    const flow = new FakeFlow();
    const request = peerRequest(method);
    bend(request);
    bench.receive(flow, request);
    expect([statuses(flow), bench.takeTold(), bench.transactions.load.server]).toEqual([sent, [], 0]);
  });

  it('is answered 400 also where only the user finds out', () => {
    const bench = new Bench();
    const flow = new FakeFlow();
    bench.onRequest = () => {
      throw new Fault('sip-malformed', 'The body is none.');
    };
    bench.receive(flow, peerRequest('MESSAGE'));
    expect([statuses(flow), bench.transactions.load.server]).toEqual([[400], 0]);
  });

  it('hides no other error of the user', () => {
    const bench = new Bench();
    bench.onRequest = () => {
      throw new Error('a bug');
    };
    expect(() => bench.receive(new FakeFlow(), peerRequest('MESSAGE'))).toThrow('a bug');
  });
});

describe('the limits', () => {
  const message = (n: number, toTag?: string): SipRequest =>
    peerRequest('MESSAGE', { branch: `z9hG4bK${n}`, callId: `call${n}`, ...(toTag === undefined ? {} : { toTag }) });

  it.each([
    ['in all', { transactions: 4, perPeer: 100 }],
    ['of one peer', { transactions: 100, perPeer: 4 }],
  ])('%s refuse with 503 and Retry-After, and leave places to dialogs that stand', (_, limits) => {
    const bench = new Bench({ limits });
    const flow = new FakeFlow();
    for (let n = 0; n < 6; n++) bench.receive(flow, message(n));
    const refused = flow.take();
    expect(refused.map(({ headers }) => Number(headers.get('Retry-After')) > 0)).toEqual([true, true]);
    for (let n = 6; n < 9; n++) bench.receive(flow, message(n, 'ours'));
    expect(statuses(flow)).toEqual([503, 503]);
    expect(bench.transactions.load.server).toBe(5);
  });

  it('of one peer hold for all its flows, and leave the others alone', () => {
    const bench = new Bench({ limits: { transactions: 100, perPeer: 1 } });
    const flow = new FakeFlow();
    const second = new FakeFlow();
    const other = new FakeFlow({ leaf: 'other' });
    for (let n = 0; n < 3; n++) bench.receive(flow, message(n));
    bench.receive(second, message(8));
    bench.receive(other, message(9));
    expect([statuses(flow), statuses(second), statuses(other)]).toEqual([[503, 503], [503], []]);
  });

  it('of one peer hold behind flows that are gone', () => {
    const bench = new Bench({ limits: { transactions: 100, perPeer: 1 } });
    const gone = new FakeFlow();
    const flow = new FakeFlow();
    bench.receive(gone, peerRequest('INVITE'));
    bench.respond(403);
    bench.transactions.closed(gone);
    bench.receive(flow, message(1));
    bench.clock.advance(TRANSACTION_MS);
    bench.receive(flow, message(2));
    expect(statuses(flow)).toEqual([503]);
    expect(bench.transactions.load.server).toBe(1);
  });

  it('wait for no ACK of what is refused for good', () => {
    const bench = new Bench({ limits: { transactions: 1, perPeer: 1 } });
    const flow = new FakeFlow();
    bench.onRequest = (transaction) => {
      transaction.respond(respondTo(transaction.request, 403));
      transaction.forget();
    };
    for (let n = 0; n < 3; n++) bench.receive(flow, peerRequest('INVITE', { branch: `z9hG4bK${n}`, callId: `c${n}` }));
    bench.receive(flow, peerRequest('ACK', { branch: 'z9hG4bK0', toTag: bench.server.tag }));
    expect(statuses(flow)).toEqual([403, 403, 403]);
    expect(bench.transactions.load.server).toBe(0);
  });

  it('of one peer count neither what is answered nor calls that stand', () => {
    const bench = new Bench({ limits: { transactions: 100, perPeer: 1 } });
    const flow = new FakeFlow();
    for (let n = 0; n < 3; n++) {
      bench.receive(flow, message(n));
      bench.respond(200);
      bench.receive(flow, peerRequest('INVITE', { branch: `z9hG4bKi${n}`, callId: `i${n}` }));
      bench.respond(200);
    }
    expect(statuses(flow)).toEqual([200, 200, 200, 200, 200, 200]);
  });

  it('are room again when transactions end', () => {
    const bench = new Bench({ limits: { transactions: 1, perPeer: 1 } });
    const flow = new FakeFlow();
    bench.receive(flow, peerRequest('INVITE'));
    bench.respond(486);
    bench.receive(flow, message(1));
    bench.receive(flow, peerRequest('ACK', { toTag: bench.server.tag }));
    bench.receive(flow, message(2));
    expect(statuses(flow)).toEqual([486, 503]);
  });

  it('shed new work under load, and neither dialogs, CANCEL, ACK nor responses', () => {
    let overloaded = false;
    const bench = new Bench({ overloaded: () => overloaded });
    const flow = new FakeFlow();
    for (let n = 100; n < 150; n++) bench.receive(flow, message(n));
    bench.takeTold();
    bench.receive(flow, peerRequest('INVITE'));
    const user = new NotedClient();
    bench.transactions.request(flow, ourRequest('OPTIONS'), user);
    const options = flow.takeRequest();
    overloaded = true;
    bench.receive(flow, message(1));
    bench.receive(flow, message(2, 'ours'));
    bench.receive(flow, peerRequest('CANCEL'));
    bench.receive(flow, peerRequest('ACK', { branch: 'z9hG4bKack', toTag: 'ours' }));
    bench.receive(flow, peerResponse(options, 200));
    expect(statuses(flow)).toEqual([503, 200]);
    expect(bench.takeTold()).toEqual(['request INVITE', 'request MESSAGE', 'cancelled', 'ack 1']);
    expect(user.take()).toEqual(['final 200']);
  });

  it('shed whoever floods under load, and leave the others alone', () => {
    const bench = new Bench({ overloaded: () => true });
    const flood = new FakeFlow({ leaf: 'flood' });
    const flow = new FakeFlow();
    for (let n = 0; n < 200; n++) {
      for (let m = 0; m < 4; m++) bench.receive(flood, message(1_000 * m + n));
      if (n % 2 === 0) bench.receive(flow, message(n));
    }
    expect([statuses(flood).length, statuses(flow)]).toEqual([750, []]);
    bench.clock.advance(1_000);
    bench.receive(flood, message(9_000));
    expect(statuses(flood)).toEqual([]);
  });

  it('answer what comes again although they are reached', () => {
    const bench = new Bench({ limits: { transactions: 1, perPeer: 1 } });
    const flow = new FakeFlow();
    bench.receive(flow, peerRequest('INVITE'));
    bench.respond(180);
    bench.receive(flow, peerRequest('INVITE'));
    expect(statuses(flow)).toEqual([180, 180]);
  });
});

describe('the top Via of a request', () => {
  const remote = { host: '203.0.113.7', port: 40_001 };
  const top = (sketch: Parameters<typeof peerRequest>[1], endpoint = remote): ReadonlyMap<string, string> => {
    const flow = new FakeFlow({ remote: endpoint });
    const bench = new Bench();
    const request = peerRequest('MESSAGE', sketch);
    request.headers.add('Via', 'SIP/2.0/TLS inner.example;branch=z9hG4bKinner');
    bench.receive(flow, request);
    bench.respond(200);
    const response = flow.takeResponse();
    expect(response.headers.all('Via')[1]).toBe('SIP/2.0/TLS inner.example;branch=z9hG4bKinner');
    return response.topVia.params;
  };

  it('gets received where the sent-by is another (RFC 3261 §18.2.1)', () => {
    expect(top({}).get('received')).toBe('203.0.113.7');
    expect(top({ via: ';received=192.0.2.99' }).get('received')).toBe('203.0.113.7');
  });

  it('gets none where it is the source', () => {
    expect(top({ sentBy: '203.0.113.7:5061' }).has('received')).toBe(false);
    expect(top({ sentBy: '[2001:db8::7]' }, { host: '2001:db8::7', port: 1 }).has('received')).toBe(false);
    expect(top({ sentBy: '203.0.113.7', via: ';received=192.0.2.99' }).has('received')).toBe(false);
  });

  it('gets rport where it asks for it, with received (RFC 3581 §4)', () => {
    const params = top({ sentBy: '203.0.113.7', via: ';rport' });
    expect([params.get('rport'), params.get('received')]).toEqual(['40001', '203.0.113.7']);
    expect(top({}).has('rport')).toBe(false);
  });
});

describe('a response to a request', () => {
  it('has its Via, From, To, Call-ID and CSeq, and nothing else', () => {
    const request = peerRequest('INVITE', { cseq: 7 });
    request.headers.add('Via', 'SIP/2.0/TLS inner.example;branch=z9hG4bKinner').add('Subject', 'x');
    const response = respondTo(request, 404);
    expect([...response.headers].map(([name]) => name)).toEqual(['Via', 'Via', 'From', 'To', 'Call-ID', 'CSeq']);
    expect(response.headers.all('Via')).toEqual(request.headers.all('Via'));
    expect(response.reason).toBe('Not Found');
    expect(respondTo(request, 299).reason).toBe('OK');
    expect(respondTo(request, 404, 'Nobody').reason).toBe('Nobody');
  });

  it('has the Timestamp in a 100 only (RFC 3261 §8.2.6.1)', () => {
    const request = peerRequest('INVITE');
    request.headers.add('Timestamp', '54');
    expect(respondTo(request, 100).headers.get('Timestamp')).toBe('54');
    expect(respondTo(request, 180).headers.has('Timestamp')).toBe(false);
  });
});

describe('the end of all', () => {
  it('fails clients, loses servers, leaves nothing and is deaf', () => {
    const bench = new Bench();
    const flow = new FakeFlow();
    const user = new NotedClient();
    bench.transactions.request(flow, ourRequest('INVITE'), user);
    const invite = flow.takeRequest();
    bench.receive(flow, peerRequest('INVITE'));
    bench.receive(flow, peerRequest('MESSAGE', { branch: 'z9hG4bKdone', callId: 'done' }));
    bench.respond(200);
    flow.take();
    bench.transactions.close();
    bench.transactions.close();
    bench.receive(flow, peerResponse(invite, 200));
    bench.receive(flow, peerRequest('MESSAGE', { branch: 'z9hG4bKlate', callId: 'late' }));
    bench.transactions.closed(flow);
    expect(user.take()).toEqual(['failed transport']);
    expect(bench.takeTold()).toEqual(['request INVITE', 'request MESSAGE', 'lost']);
    expect([bench.transactions.load, bench.clock.pending, flow.take()]).toEqual([{ client: 0, server: 0 }, 0, []]);
  });
});

describe('a response', () => {
  it('that only the user finds malformed has come to its end all the same', () => {
    const bench = new Bench();
    const flow = new FakeFlow();
    let finals = 0;
    bench.transactions.request(flow, ourRequest('MESSAGE'), {
      provisional: () => {},
      final: () => {
        finals++;
        throw new Fault('sip-malformed', 'The body is none.');
      },
      failed: () => {},
    });
    bench.receive(flow, peerResponse(flow.takeRequest(), 200));
    expect([finals, bench.transactions.load.client, bench.clock.pending]).toEqual([1, 0, 0]);
  });
});
