import { describe, expect, it } from 'vitest';
import { Headers } from '../message/headers.ts';
import { SipRequest, SipResponse } from '../message/message.ts';
import { serialise } from '../message/serialise.ts';
import { FakeFlow } from '../transaction/testing/fake-flow.ts';
import type { ClientTransaction, ClientUser } from '../transaction/transaction.ts';
import type { Flow } from '../transport/flow.ts';
import type { Target } from './locate.ts';
import { type Road, Sending, type Way } from './sending.ts';

const target = (n: number): Target => ({ host: `192.0.2.${n}`, port: 5061 });

interface Attempt {
  readonly flow: Flow;
  readonly user: ClientUser;
  cancelled: boolean;
}

/** A road whose targets connect at once, unless the test says otherwise. */
class FakeRoad implements Road {
  way: Way | undefined;
  list: Target[] = [target(1), target(2)];
  unreachable = new Set<string>();
  ofPeer: FakeFlow[] = [];
  stuck = false;
  readonly attempts: Attempt[] = [];
  readonly avoided: string[] = [];
  readonly log: string[] = [];

  standing() {
    return this.way;
  }
  async targets() {
    if (this.list.length === 0) throw new Error('no such domain');
    return this.list;
  }
  connect({ host }: Target, signal: AbortSignal): Promise<Flow> {
    this.log.push(`connect ${host}`);
    if (this.unreachable.has(host)) return Promise.reject(new Error(`${host} is dead`));
    if (!this.stuck) return Promise.resolve(new FakeFlow({ remote: { host, port: 5061 } }));
    return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
  }
  peerFlows() {
    return this.ofPeer;
  }
  transact(flow: Flow, request: SipRequest, user: ClientUser): ClientTransaction {
    const attempt = { flow, user, cancelled: false };
    this.attempts.push(attempt);
    const cancel = () => {
      attempt.cancelled = true;
    };
    return { request, flow, state: 'calling', cancel };
  }
  avoid({ host }: Target, ms?: number) {
    this.avoided.push(ms === undefined ? host : `${host} ${ms}`);
  }
  isAvoided({ host }: Target) {
    return this.avoided.some((avoided) => avoided.startsWith(host));
  }
  answered(_: Way, __: SipRequest, { status }: SipResponse, attempts: number) {
    this.log.push(`answered ${status} ${attempts}`);
  }
  unanswered(why: string) {
    this.log.push(`unanswered: ${why}`);
  }
}

function request(method: string): SipRequest {
  return new SipRequest(
    method,
    'sip:b@b.example',
    new Headers([
      ['From', '<sip:a@a.example>;tag=1'],
      ['To', '<sip:b@b.example>'],
      ['Call-ID', 'x'],
      ['CSeq', `1 ${method}`],
    ]),
  );
}

function setUp(options: { method?: string; dialog?: boolean; road?: (road: FakeRoad) => void } = {}) {
  const road = new FakeRoad();
  options.road?.(road);
  const told: string[] = [];
  const user: ClientUser = {
    provisional: ({ status }) => told.push(`provisional ${status}`),
    final: ({ status }) => told.push(`final ${status}`),
    failed: (cause, unsent) => told.push(`failed ${cause}${unsent ? ' unsent' : ''}`),
  };
  const sending = new Sending(road, request(options.method ?? 'INVITE'), { user, dialog: options.dialog ?? false });
  sending.start(serialise);
  return { road, told, sending };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));
const response = (status: number, retryAfter?: string) =>
  new SipResponse(status, '', new Headers(retryAfter === undefined ? [] : [['Retry-After', retryAfter]]));

describe('a request on its way', () => {
  it('goes over the flow that stands, at once', () => {
    const flow = new FakeFlow();
    const { road, sending } = setUp({ road: (one) => Object.assign(one, { way: { flow, target: target(1) } }) });
    expect([road.attempts.length, road.attempts[0]?.flow, sending.flow]).toEqual([1, flow, flow]);
    expect(road.log).toEqual([]);
  });

  it('goes to the next target where connecting fails, and says why where none is left', async () => {
    const { road, told } = setUp({ road: ({ unreachable }) => unreachable.add('192.0.2.1').add('192.0.2.2') });
    await settled();
    expect(told).toEqual(['failed transport unsent']);
    expect(road.log.slice(0, 2)).toEqual(['connect 192.0.2.1', 'connect 192.0.2.2']);
    expect(road.log.at(-1)).toBe('unanswered: 192.0.2.2 is dead');
    expect(road.avoided).toEqual(['192.0.2.1', '192.0.2.2']);
  });

  it('fails unsent where nothing is located', async () => {
    const { road, told } = setUp({
      road: (one) => {
        one.list = [];
      },
    });
    await settled();
    expect([told, road.log]).toEqual([['failed transport unsent'], ['unanswered: no such domain']]);
  });

  it('goes on with a time-out and with a broken connection, each target once', async () => {
    const { road, told } = setUp();
    await settled();
    road.attempts[0]?.user.failed('timeout');
    await settled();
    road.attempts[1]?.user.failed('transport');
    await settled();
    expect(road.attempts).toHaveLength(2);
    expect(told).toEqual(['failed transport']);
    expect(road.avoided).toEqual(['192.0.2.1', '192.0.2.2']);
  });

  it.each([
    ['nothing was written', false, true],
    ['it belongs to a dialog', true, false],
  ])('tries a new connection to the same target, once, where the old one broke and %s', async (_, dialog, unsent) => {
    const { road, told } = setUp({ method: 'MESSAGE', dialog, road: ({ list }) => list.pop() });
    await settled();
    road.attempts[0]?.user.failed('transport', unsent);
    await settled();
    expect(road.attempts).toHaveLength(2);
    road.attempts[1]?.user.failed('transport', unsent);
    await settled();
    expect(road.attempts).toHaveLength(2);
    expect(told).toEqual([unsent ? 'failed transport unsent' : 'failed transport']);
  });

  it.each(['timeout', 'transport'] as const)(
    'is not said twice where it is a MESSAGE that may have arrived (%s), and the next one goes elsewhere',
    async (cause) => {
      const { road, told } = setUp({ method: 'MESSAGE', road: (one) => one.ofPeer.push(new FakeFlow()) });
      await settled();
      road.attempts[0]?.user.failed(cause);
      await settled();
      expect(road.attempts).toHaveLength(1);
      expect(told).toEqual([`failed ${cause}`]);
      expect(road.avoided).toEqual(['192.0.2.1']);
    },
  );

  it('is in doubt where a MESSAGE may have arrived behind a 503', async () => {
    const { road, told } = setUp({ method: 'MESSAGE' });
    await settled();
    road.attempts[0]?.user.final(response(503));
    await settled();
    road.attempts[1]?.user.failed('transport');
    await settled();
    expect(told).toEqual(['failed transport']);
  });

  it('stays where somebody is rung', async () => {
    const { road, told } = setUp();
    await settled();
    road.attempts[0]?.user.provisional(response(180));
    road.attempts[0]?.user.failed('transport');
    await settled();
    expect(told).toEqual(['provisional 180', 'failed transport']);
    expect(road.attempts).toHaveLength(1);
  });

  it('passes a 503 on from where somebody is rung', async () => {
    const { road, told } = setUp();
    await settled();
    road.attempts[0]?.user.provisional(response(183));
    road.attempts[0]?.user.final(response(503));
    await settled();
    expect(told).toEqual(['provisional 183', 'final 503']);
  });

  it('heeds Retry-After, whatever follows it', async () => {
    const { road, told } = setUp();
    await settled();
    road.attempts[0]?.user.final(response(503, '18 (overload);duration=60'));
    await settled();
    road.attempts[1]?.user.final(response(200));
    expect([road.avoided, told]).toEqual([['192.0.2.1 18000'], ['final 200']]);
    expect(road.log).toContain('answered 200 2');
  });

  it('tells every 2xx', async () => {
    const { road, told } = setUp();
    await settled();
    for (let i = 0; i < 2; i++) road.attempts[0]?.user.final(response(200));
    expect(told).toEqual(['final 200', 'final 200']);
  });

  it('takes what the peer opened before a target that failed of late', async () => {
    const flow = new FakeFlow();
    const { road } = setUp({
      road: (one) => {
        one.ofPeer = [flow];
        one.avoid(target(1));
      },
    });
    await settled();
    road.attempts[0]?.user.failed('timeout');
    await settled();
    road.attempts[1]?.user.failed('timeout');
    await settled();
    expect(road.attempts.map((attempt) => attempt.flow.remote.host)).toEqual([
      '192.0.2.2',
      flow.remote.host,
      '192.0.2.1',
    ]);
  });

  it('tries eight times at most', async () => {
    const { road, told } = setUp({
      road: (one) => {
        one.list = Array.from({ length: 16 }, (_, n) => target(n));
        for (const { host } of one.list) one.unreachable.add(host);
      },
    });
    await settled();
    expect(road.log.filter((line) => line.startsWith('connect'))).toHaveLength(8);
    expect(told).toEqual(['failed transport unsent']);
  });
});

describe('giving a request up', () => {
  it('before a connection stands: it is never sent', async () => {
    const { road, told, sending } = setUp({
      road: (one) => {
        one.stuck = true;
      },
    });
    await settled();
    sending.cancel();
    sending.cancel();
    await settled();
    expect([told, road.attempts.length, road.log]).toEqual([['failed transport unsent'], 0, ['connect 192.0.2.1']]);
  });

  it('when it is sent: CANCEL, and no other target whatever comes', async () => {
    const { road, told, sending } = setUp();
    await settled();
    sending.cancel();
    expect(road.attempts[0]?.cancelled).toBe(true);
    road.attempts[0]?.user.failed('timeout');
    await settled();
    expect([told, road.attempts.length]).toEqual([['failed timeout'], 1]);
    expect(road.log).not.toContain('unanswered: no answer came');
  });

  it('between two targets: the second never sees it', async () => {
    const { road, told, sending } = setUp();
    await settled();
    road.stuck = true;
    road.attempts[0]?.user.failed('timeout');
    await settled();
    sending.cancel();
    await settled();
    expect([told, road.attempts.length]).toEqual([['failed transport'], 1]);
  });
});
