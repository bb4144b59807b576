import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Fault } from '../../policies/fault.ts';
import type { ReasonCode } from '../../policies/reasons.ts';
import type { Stanza } from '../bridge/stanza.ts';
import { type Carrier, OutboundPath, type PathLimits } from './path.ts';
import type { Left } from './receipts.ts';
import { message, numbers } from './testing/recording.fixture.ts';

const limits: PathLimits = { stanzas: 8, bytes: 100_000, waitMs: 60_000 };

/** A stream as a path sees it. */
class FakeCarrier implements Carrier {
  open = true;
  room = Number.POSITIVE_INFINITY;
  readonly sent: string[] = [];

  get full(): boolean {
    return this.room <= 0;
  }

  send({ id }: Stanza): void {
    this.room--;
    this.sent.push(id);
  }
}

function pathOf(wanted: Partial<PathLimits> = {}) {
  const bounced: string[] = [];
  let rooms = 0;
  const returned: string[] = [];
  const refused: string[] = [];
  const retries: (number | undefined)[] = [];
  const attached: Carrier[] = [];
  const asked: PromiseWithResolvers<Carrier>[] = [];
  let random = 0;
  let refusing: () => void = () => undefined;
  const path = new OutboundPath(
    'h.example',
    'p.example',
    {
      carrier: () => {
        const request = Promise.withResolvers<Carrier>();
        asked.push(request);
        return request.promise;
      },
      undeliverable: ({ id }, reason) => bounced.push(`${id}: ${reason}`),
      room: () => {
        rooms++;
      },
      returned: (stanzas) => returned.push(...stanzas.map(({ id }) => id)),
      refused: (reason) => {
        refused.push(reason);
        refusing();
      },
      unreachable: (_fault, retryMs) => retries.push(retryMs),
      attached: (_path, carrier) => attached.push(carrier),
      random: () => random,
    },
    { ...limits, ...wanted },
  );
  const settled = (): Promise<void> => vi.advanceTimersByTimeAsync(0).then(() => undefined);
  return {
    path,
    bounced,
    returned,
    refused,
    rooms: () => rooms,
    retries,
    attached,
    asked,
    send: (...ids: string[]) => ids.map((id) => path.send(stanzaOf(id))),
    give: (carrier: Carrier) => {
      asked.at(-1)?.resolve(carrier);
      return settled();
    },
    fail: (code: ReasonCode) => {
      asked.at(-1)?.reject(new Fault(code));
      return settled();
    },
    /** What happens amid a refusal. */
    onRefused: (then: () => void) => {
      refusing = then;
    },
    draw: (value: number) => {
      random = value;
    },
  };
}

const stanzas = new Map<string, Stanza>();
/** The same stanza for the same id. */
/** What a lost stream certainly did not pass on. */
function unsent(...ids: string[]): Left {
  return { doubtful: [], unsent: ids.map(stanzaOf) };
}

/** What is repeated though a break left it in doubt. */
function presenceOf(id: string): Stanza {
  return { ...stanzaOf(id), name: 'presence' };
}

/** A stanza that the outbox keeps. */
function keptOf(id: string): Stanza {
  return { ...stanzaOf(id), kept: { queue: 1, ticket: Number(id), since: 0 } };
}

function stanzaOf(id: string): Stanza {
  const known = stanzas.get(id) ?? message('u@h.example', 'v@p.example', id);
  stanzas.set(id, known);
  return known;
}

describe('An outbound path', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('seeks one stream for all that waits, and sends it in order', async () => {
    const { path, asked, attached, send, give } = pathOf();
    const carrier = new FakeCarrier();
    send(...numbers(3));
    expect(asked).toHaveLength(1);
    await give(carrier);
    send('4');
    expect(carrier.sent).toEqual(numbers(4));
    expect(attached).toEqual([carrier]);
    expect(path.queued).toBe(0);
  });

  it('holds what a full stream does not take, and moves it as there is room', async () => {
    const { path, send, give } = pathOf();
    const carrier = new FakeCarrier();
    carrier.room = 2;
    send(...numbers(3));
    await give(carrier);
    send('4');
    expect(carrier.sent).toEqual(['1', '2']);
    carrier.room = 1;
    path.pump();
    expect(carrier.sent).toEqual(['1', '2', '3']);
    carrier.room = 10;
    path.pump();
    expect(carrier.sent).toEqual(numbers(4));
  });

  it('asks for no more from half full on, bounces what passes its bounds, and says when there is room', async () => {
    const { path, bounced, rooms, send, give } = pathOf();
    expect(send(...numbers(10))).toEqual(['more', 'more', 'more', ...Array(7).fill('enough')]);
    expect(bounced).toEqual(['9: queue-full', '10: queue-full']);
    const carrier = new FakeCarrier();
    carrier.room = 6;
    await give(carrier);
    expect(rooms()).toBe(0);
    carrier.room = 1;
    path.pump();
    expect(rooms()).toBe(1);
    path.pump();
    expect(rooms()).toBe(1);
  });

  it('is bounded in bytes, and asks for more after a stanza that would never fit', () => {
    const one = stanzaOf('1').bytes.length;
    const { path, bounced, rooms, send } = pathOf({ bytes: one * 4 });
    expect(path.send({ ...stanzaOf('big'), bytes: Buffer.alloc(one * 4 + 1) })).toBe('more');
    expect(send(...numbers(5))).toEqual(['more', 'enough', 'enough', 'enough', 'enough']);
    expect(bounced).toEqual(['big: queue-full', '5: queue-full']);
    expect(rooms()).toBe(0);
  });

  it('bounces what waited too long, and then has room again', () => {
    const { path, bounced, rooms, send } = pathOf({ stanzas: 4 });
    send('1', '2');
    vi.advanceTimersByTime(30_000);
    expect(send('3')).toEqual(['enough']);
    vi.advanceTimersByTime(30_000);
    expect(bounced).toEqual(['1: queue-expired', '2: queue-expired']);
    vi.advanceTimersByTime(30_000);
    expect(bounced).toEqual(['1: queue-expired', '2: queue-expired', '3: queue-expired']);
    expect(rooms()).toBe(1);
    expect(path.queued).toBe(0);
  });

  it('gives the reason it was made with for what waited too long', () => {
    const { bounced, send } = pathOf({ expired: 'home-unavailable' });
    send('1');
    vi.advanceTimersByTime(60_000);
    expect(bounced).toEqual(['1: home-unavailable']);
  });

  it('tries again at growing, random intervals', async () => {
    const { asked, retries, send, fail, draw } = pathOf({ waitMs: 3_600_000 });
    send('1');
    for (const [random, wait] of [
      [0, 250],
      [0.5, 750],
      [0, 1000],
      [0, 2000],
      [0, 4000],
      [0, 8000],
      [0, 16_000],
      [0.5, 45_000],
      [0, 30_000],
    ] as const) {
      draw(random);
      const before = asked.length;
      await fail('remote-unreachable');
      expect(retries.at(-1)).toBe(wait);
      await vi.advanceTimersByTimeAsync(wait - 1);
      expect(asked).toHaveLength(before);
      await vi.advanceTimersByTimeAsync(1);
      expect(asked).toHaveLength(before + 1);
    }
  });

  it('seeks nothing for more stanzas while it waits to try again', async () => {
    const { asked, send, fail } = pathOf();
    send('1');
    await fail('remote-unreachable');
    send('2');
    expect(asked).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(250);
    expect(asked).toHaveLength(2);
  });

  it.each([
    'no-partner',
    'remote-not-found',
    'dns-not-found',
    'dns-service-refused',
    'trust-insufficient',
    'certificate-expired',
    'certificate-untrusted',
    'certificate-wrong-name',
    'dialback-invalid',
    'tls-unavailable',
  ] as const)('bounces all at once over %s, and what comes until it may be worth another try', async (code) => {
    const { path, asked, bounced, retries, send, fail } = pathOf();
    send('1', '2');
    await fail(code);
    expect(bounced).toEqual([`1: ${code}`, `2: ${code}`]);
    expect(retries).toEqual([undefined]);
    expect(vi.getTimerCount()).toBe(0);
    send('3');
    expect(asked).toHaveLength(1);
    expect(bounced.at(-1)).toBe(`3: ${code}`);
    expect(path.idle).toBe(false);
    await vi.advanceTimersByTimeAsync(500);
    expect(path.idle).toBe(true);
    send('4');
    expect(asked).toHaveLength(2);
    await fail(code);
    path.forgive();
    send('5');
    expect(asked).toHaveLength(3);
  });

  it.each([
    'remote-unreachable',
    'stream-timeout',
    'tls-failed',
    'dns-timeout',
    'connections-full',
    'dialback-unreachable',
    'internal',
  ] as const)('keeps what waits over %s', async (code) => {
    const { bounced, send, fail, give } = pathOf();
    send('1');
    await fail(code);
    expect(bounced).toEqual([]);
    await vi.advanceTimersByTimeAsync(250);
    const carrier = new FakeCarrier();
    await give(carrier);
    expect(carrier.sent).toEqual(['1']);
  });

  it('sends what a lost stream left before all else, once, in order', async () => {
    const { path, bounced, send, give } = pathOf();
    const [first, second] = [new FakeCarrier(), new FakeCarrier()];
    send(...numbers(4));
    await give(first);
    first.open = false;
    send('5');
    path.lost(first, unsent(...numbers(2, 3)));
    send('6');
    await vi.advanceTimersByTimeAsync(250);
    await give(second);
    expect(second.sent).toEqual(['3', '4', '5', '6']);
    expect(bounced).toEqual([]);
  });

  it('moves nothing past a stream that is closing, until that says what it left', async () => {
    const { path, asked, send, give } = pathOf();
    const [first, second] = [new FakeCarrier(), new FakeCarrier()];
    send('1');
    await give(first);
    first.open = false;
    send('2');
    path.pump();
    path.adopt(second);
    expect([asked.length, second.sent]).toEqual([1, []]);
    path.lost(first, unsent('1'));
    path.adopt(second);
    expect(second.sent).toEqual(['1', '2']);
  });

  it('waits longer for a stream that ends again and again as it began', async () => {
    const { path, asked, send, give } = pathOf();
    send('1');
    for (const wait of [250, 500, 1000]) {
      const carrier = new FakeCarrier();
      await give(carrier);
      const before = asked.length;
      path.lost(carrier, unsent(...carrier.sent));
      await vi.advanceTimersByTimeAsync(wait - 1);
      expect(asked).toHaveLength(before);
      await vi.advanceTimersByTimeAsync(1);
      expect(asked).toHaveLength(before + 1);
    }
  });

  it('begins anew with the first wait after a stream that stood', async () => {
    const { path, asked, send, fail, give } = pathOf();
    send('1');
    await fail('remote-unreachable');
    await vi.advanceTimersByTimeAsync(250);
    const carrier = new FakeCarrier();
    await give(carrier);
    await vi.advanceTimersByTimeAsync(5_000);
    path.lost(carrier, unsent('1'));
    await vi.advanceTimersByTimeAsync(250);
    expect(asked).toHaveLength(3);
  });

  it('gives up what headed four lost streams', async () => {
    const { path, bounced, give } = pathOf();
    const both = ['poison', 'good'].map(presenceOf);
    for (const stanza of both) path.send(stanza);
    for (let time = 1; time <= 4; time++) {
      const carrier = new FakeCarrier();
      await give(carrier);
      expect(carrier.sent).toEqual(['poison', 'good']);
      path.lost(carrier, { doubtful: both, unsent: [] });
      await vi.advanceTimersByTimeAsync(5_000);
    }
    expect(bounced).toEqual(['poison: stream-error']);
    const carrier = new FakeCarrier();
    await give(carrier);
    expect(carrier.sent).toEqual(['good']);
  });

  it('seeks again after a stream that was over before it carried anything', async () => {
    const { attached, asked, retries, send, give } = pathOf();
    const dead = new FakeCarrier();
    dead.open = false;
    send('1');
    await give(dead);
    expect([attached, retries]).toEqual([[], [250]]);
    await vi.advanceTimersByTimeAsync(250);
    const carrier = new FakeCarrier();
    await give(carrier);
    expect([asked.length, carrier.sent]).toEqual([2, ['1']]);
  });

  it('takes the stream of the peer while it seeks or waits, and keeps to it', async () => {
    const { path, asked, attached, send, fail, give } = pathOf();
    const [peers, late] = [new FakeCarrier(), new FakeCarrier()];
    send('1');
    await fail('remote-unreachable');
    send('2');
    path.adopt(peers);
    expect(peers.sent).toEqual(['1', '2']);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(asked).toHaveLength(1);
    path.adopt(late);
    await give(late);
    send('3');
    expect([peers.sent, late.sent]).toEqual([['1', '2', '3'], []]);
    expect(attached).toEqual([peers]);
  });

  it('seeks no stream for nothing, unless it is to be kept', async () => {
    const idle = pathOf();
    idle.path.persist(false);
    expect(idle.asked).toHaveLength(0);
    expect(idle.path.idle).toBe(true);

    const kept = pathOf({ persistent: true });
    kept.path.persist(true);
    const carrier = new FakeCarrier();
    await kept.give(carrier);
    expect(kept.path.idle).toBe(false);
    carrier.open = false;
    kept.path.lost(carrier, unsent());
    await vi.advanceTimersByTimeAsync(250);
    expect(kept.asked).toHaveLength(2);
    await kept.fail('no-partner');
    await vi.advanceTimersByTimeAsync(60_000);
    expect(kept.asked).toHaveLength(3);
  });

  it('flushes what it can when it closes, bounces the rest, and leaves no timer', async () => {
    const { path, bounced, send, give } = pathOf();
    const carrier = new FakeCarrier();
    carrier.room = 0;
    send(...numbers(3));
    await give(carrier);
    carrier.room = 2;
    path.close();
    expect(carrier.sent).toEqual(['1', '2']);
    expect(bounced).toEqual(['3: shutting-down']);
    expect(send('4')).toEqual(['more']);
    path.lost(carrier, unsent('2'));
    expect(bounced).toEqual(['3: shutting-down', '4: shutting-down', '2: shutting-down']);
    expect(vi.getTimerCount()).toBe(0);
  });

  it.each([
    ['seeks', async () => undefined],
    ['waits to try again', async (fail: (code: ReasonCode) => Promise<void>) => fail('remote-unreachable')],
  ])('bounces all when it closes while it %s', async (_, before) => {
    const { path, bounced, asked, send, fail, give } = pathOf();
    send('1', '2', '3', '4');
    await before(fail);
    path.close();
    expect(bounced).toEqual(numbers(4).map((id) => `${id}: shutting-down`));
    await give(new FakeCarrier());
    await vi.advanceTimersByTimeAsync(60_000);
    expect(asked).toHaveLength(1);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('sends nothing twice that a break leaves in doubt, but for what may be repeated', async () => {
    const { path, bounced, send, give } = pathOf();
    const [first, second] = [new FakeCarrier(), new FakeCarrier()];
    send('1');
    await give(first);
    path.lost(first, { doubtful: [stanzaOf('1'), presenceOf('2')], unsent: [stanzaOf('3')] });
    expect(bounced).toEqual(['1: delivery-doubtful']);
    await vi.advanceTimersByTimeAsync(250);
    await give(second);
    expect(second.sent).toEqual(['2', '3']);
  });
});

describe('A path, and what is kept elsewhere', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('takes none without a stream, seeks one, and says when it stands', async () => {
    const { path, asked, rooms, give } = pathOf();
    expect(path.send(keptOf('1'))).toBe('none');
    expect([asked.length, path.queued, path.idle]).toEqual([1, 0, false]);
    const carrier = new FakeCarrier();
    await give(carrier);
    expect(rooms()).toBe(1);
    expect(path.send(keptOf('1'))).toBe('more');
    expect(carrier.sent).toEqual(['1']);
    path.close();
  });

  it('goes on seeking for it where nothing else waits', async () => {
    const { path, asked, fail } = pathOf();
    path.send(keptOf('1'));
    await fail('remote-unreachable');
    await vi.advanceTimersByTimeAsync(250);
    expect(asked).toHaveLength(2);
    path.close();
  });

  it('says enough as soon as the stream is full, and that there is room when it is not', async () => {
    const { path, rooms, give } = pathOf();
    path.send(keptOf('1'));
    const carrier = new FakeCarrier();
    carrier.room = 1;
    await give(carrier);
    const before = rooms();
    expect(path.send(keptOf('1'))).toBe('enough');
    carrier.room = 5;
    path.pump();
    expect(rooms()).toBe(before + 1);
    path.close();
  });

  it('gives back what a lost stream did not pass on, and lets nobody wait', async () => {
    const { path, bounced, returned, rooms, give } = pathOf();
    path.send(keptOf('1'));
    const carrier = new FakeCarrier();
    carrier.room = 0;
    await give(carrier);
    expect(path.send(keptOf('3'))).toBe('enough');
    const before = rooms();
    path.lost(carrier, { doubtful: [keptOf('1')], unsent: [keptOf('2')] });
    expect(returned).toEqual(['2', '3']);
    expect(bounced).toEqual(['1: delivery-doubtful']);
    expect([path.queued, rooms()]).toEqual([0, before + 1]);
    path.close();
  });

  it('says so when no stream will stand soon, and turns away what comes meanwhile', async () => {
    const { path, bounced, refused, fail } = pathOf();
    path.send(keptOf('1'));
    await fail('dns-not-found');
    expect(refused).toEqual(['dns-not-found']);
    expect(path.send(keptOf('1'))).toBe('more');
    expect(bounced).toEqual(['1: dns-not-found']);
    path.close();
  });

  it('keeps no clock for it, but one for what stands behind it', async () => {
    const { path, bounced, give } = pathOf();
    path.send(keptOf('1'));
    const carrier = new FakeCarrier();
    carrier.room = 0;
    await give(carrier);
    path.send(keptOf('2'));
    expect(vi.getTimerCount()).toBe(0);
    path.send(stanzaOf('3'));
    carrier.room = 1;
    path.pump();
    expect(carrier.sent).toEqual(['2']);
    await vi.advanceTimersByTimeAsync(limits.waitMs);
    expect(bounced).toEqual(['3: queue-expired']);
    path.close();
  });

  it('takes more at once where all that waited has gone', async () => {
    const { path, rooms, give } = pathOf();
    path.send(stanzaOf('1'));
    const carrier = new FakeCarrier();
    carrier.room = 0;
    await give(carrier);
    carrier.room = 5;
    const before = rooms();
    expect(path.send(keptOf('2'))).toBe('more');
    expect([carrier.sent, rooms()]).toEqual([['1', '2'], before]);
    path.close();
  });

  it('counts a stream that carried something as a success, however soon it ended', async () => {
    const { path, asked, give } = pathOf();
    path.send(keptOf('1'));
    for (const waitMs of [250, 250, 250]) {
      const brief = new FakeCarrier();
      await give(brief);
      path.send(keptOf('2'));
      path.send(keptOf('3'));
      path.lost(brief, { doubtful: [], unsent: [keptOf('3')] });
      const before = asked.length;
      await vi.advanceTimersByTimeAsync(waitMs);
      expect(asked).toHaveLength(before + 1);
    }
    path.close();
  });

  it('seeks nothing for what comes while it refuses', async () => {
    const { path, asked, bounced, onRefused, fail } = pathOf();
    path.send(keptOf('1'));
    onRefused(() => path.send(keptOf('2')));
    await fail('dns-not-found');
    expect([asked.length, bounced]).toEqual([1, ['2: dns-not-found']]);
    path.close();
  });

  it('bounces what a stream leaves of a partner that is none any more', async () => {
    const { path, bounced, returned, give } = pathOf();
    path.send(keptOf('1'));
    const carrier = new FakeCarrier();
    await give(carrier);
    path.close('no-partner');
    path.lost(carrier, { doubtful: [], unsent: [keptOf('1')] });
    expect([bounced, returned]).toEqual([['1: no-partner'], []]);
  });

  it('keeps to the stream that stands when another leaves something', async () => {
    const { path, returned, give } = pathOf();
    path.send(stanzaOf('1'));
    const carrier = new FakeCarrier();
    await give(carrier);
    path.lost(new FakeCarrier(), { doubtful: [], unsent: [keptOf('2')] });
    expect([carrier.sent, returned]).toEqual([['1', '2'], []]);
    path.close();
  });

  it('leaves it kept when the gateway stops, and bounces it when the partner is none any more', async () => {
    const [stopping, ending] = [pathOf(), pathOf()];
    stopping.path.close();
    expect(stopping.path.send(keptOf('1'))).toBe('none');
    expect([stopping.bounced, stopping.refused]).toEqual([[], []]);
    ending.path.close('no-partner');
    expect(ending.refused).toEqual(['no-partner']);
    expect(ending.path.send(keptOf('1'))).toBe('more');
    expect(ending.bounced).toEqual(['1: no-partner']);
  });
});
