import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { elsewhere, homeward, intoMailbox, outward, TestOutbox } from './outbox.fixture.ts';
import type { Route } from './outbox-route.ts';
import { mayRepeat, type Stanza } from './stanza.ts';

const routes = [outward, elsewhere];
const route = fc.constantFrom(outward, outward, outward, elsewhere);
const kind = fc.constantFrom('message', 'message', 'message', 'big', 'presence', 'iq', 'subscribed', 'error');
/** Two of them, and what follows is read back from disk. */
const BIG = 'x'.repeat(140_000);
const does = <Name extends string>(name: Name): fc.Arbitrary<{ does: Name }> => fc.constant({ does: name });

/** What the world does to an outbox, one step at a time. */
const step = fc.oneof(
  { weight: 9, arbitrary: fc.record({ does: fc.constant('put' as const), route, kind }) },
  { weight: 9, arbitrary: fc.record({ does: fc.constant('turn' as const), sync: fc.boolean() }) },
  { weight: 4, arbitrary: fc.record({ does: fc.constant('write' as const), route }) },
  { weight: 3, arbitrary: fc.record({ does: fc.constant('confirm' as const), route, many: fc.nat(4) }) },
  { weight: 1, arbitrary: fc.record({ does: fc.constant('confirm late' as const), route, which: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.record({ does: fc.constant('find too big' as const), route, which: fc.nat(3) }) },
  { weight: 2, arbitrary: fc.record({ does: fc.constant('break' as const), route }) },
  { weight: 1, arbitrary: fc.record({ does: fc.constant('give back' as const), route }) },
  { weight: 1, arbitrary: fc.record({ does: fc.constant('stall' as const), route }) },
  { weight: 4, arbitrary: fc.record({ does: fc.constant('room' as const), route }) },
  { weight: 1, arbitrary: fc.record({ does: fc.constant('refuse' as const), route }) },
  { weight: 1, arbitrary: fc.oneof(does('fill the disk'), does('free the disk')) },
  { weight: 3, arbitrary: does('crash') },
  { weight: 1, arbitrary: does('stop') },
  { weight: 1, arbitrary: does('grow old') },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

describe('The outbox, whatever happens to it', () => {
  const limits = { ageMs: 1_000 };
  const boxes = { checkpoint: new TestOutbox({ limits }), commit: new TestOutbox({ limits, holdSyncs: true }) };
  afterAll(() => {
    for (const box of Object.values(boxes)) box.close();
  });

  it('delivers each accepted message once or bounces it, in order, and keeps nothing of what is settled', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom('checkpoint', 'commit'),
        fc.array(step, { maxLength: 80, size: 'max' }),
        async (fsync, steps) => {
          const box = boxes[fsync as keyof typeof boxes];
          box.clear();
          const world = new World(box);
          for (const one of steps) await world.do(one);
          await world.calmDown();
          world.expectAll();
        },
      ),
      { numRuns: 300 },
    );
  });
});

/** What the world does to a home that stores what it is handed. */
const homeStep = fc.oneof(
  { weight: 4, arbitrary: fc.constant('put' as const) },
  { weight: 4, arbitrary: fc.constant('turn' as const) },
  { weight: 2, arbitrary: fc.constant('sync' as const) },
  { weight: 2, arbitrary: fc.constant('crash' as const) },
  { weight: 1, arbitrary: fc.constant('stop' as const) },
  { weight: 1, arbitrary: fc.constant('close the home' as const) },
  { weight: 1, arbitrary: fc.constant('open the home' as const) },
);

describe('The outbox, before a home that stores what it is handed', () => {
  const boxes = { checkpoint: new TestOutbox(), commit: new TestOutbox({ holdSyncs: true }) };
  afterAll(() => {
    for (const box of Object.values(boxes)) box.close();
  });

  it('loses nothing, stores nothing twice, and never has a doubt', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom('checkpoint', 'commit'),
        fc.array(homeStep, { maxLength: 60, size: 'max' }),
        async (fsync, steps) => {
          const box = boxes[fsync as keyof typeof boxes];
          box.clear();
          box.store.prepare('CREATE TABLE IF NOT EXISTS test_mail (id TEXT)').run();
          box.store.prepare('DELETE FROM test_mail').run();
          await storeAll(box, steps);
        },
      ),
      { numRuns: 150 },
    );
  });
});

async function storeAll(box: TestOutbox, steps: readonly string[]): Promise<void> {
  const accepted: string[] = [];
  let open = true;
  box.stores = (stanza) => {
    if (!open) return 'none';
    box.write((store) => store.prepare('INSERT INTO test_mail VALUES (?)').run(stanza.id));
    box.outbox.settle(stanza);
    return 'more';
  };
  for (const [index, one] of steps.entries()) {
    if (one === 'put') {
      box.put(String(index), '', intoMailbox);
      box.whenKept(() => accepted.push(String(index)));
    } else if (one === 'turn') await box.turn();
    else if (one === 'sync') box.sync();
    else if (one === 'crash') box.restart();
    else if (one === 'stop') box.stopAndStart();
    else open = one === 'open the home';
  }
  open = true;
  box.room(intoMailbox);
  for (let round = 0; round < 3; round++) await box.kept();
  const stored = box.store.prepare('SELECT id FROM test_mail ORDER BY rowid').all();
  const ids = stored.map(({ id }) => String(id));
  expect(ids, 'in order, each once').toEqual(
    [...new Set(ids)].sort((former, latter) => Number(former) - Number(latter)),
  );
  expect(new Set(ids)).toEqual(new Set([...ids, ...accepted]));
  expect([box.bounced, box.outbox.load.kept, box.rows]).toEqual([[], 0, 0]);
}

/** One way out: a stream that takes stanzas, writes them, and learns what the peer has taken. */
class Way {
  state: 'up' | 'stalled' | 'down' = 'up';
  /** Taken, not written. */
  handed: Stanza[] = [];
  /** Written, so that the peer has received it; not confirmed. */
  written: Stanza[] = [];
  readonly received: Stanza[] = [];
  /** Whoever fills it was told to wait. */
  pressed = false;
}

class World {
  readonly box: TestOutbox;
  readonly #ways = new Map(routes.map((each) => [each.partner, new Way()]));
  /** Acknowledged to those who sent them. */
  readonly #accepted = new Set<string>();
  /** Received, and perhaps not known to be by a process that was killed, or over a stream that broke. */
  readonly #doubtful = new Set<string>();
  /** Settled, but perhaps not yet in the store. */
  readonly #justSettled = new Set<string>();
  /** What changes rosters: it comes back without an answer. */
  readonly #unanswered = new Set<string>();
  #next = 0;
  #diskFull = false;
  /** Since the process began. */
  #diskWasFull = false;

  constructor(box: TestOutbox) {
    this.box = box;
    this.box.takes = (stanza) => {
      const way = this.#way(stanza.to.split('@')[1] ?? '');
      if (way.state === 'down') return stanza.kept === undefined ? 'more' : 'none';
      way.handed.push(stanza);
      return way.state === 'up' ? 'more' : 'enough';
    };
    this.box.writable = () => !this.#diskFull;
  }

  async do(one: Step): Promise<void> {
    const way = 'route' in one ? this.#way(one.route.partner) : new Way();
    switch (one.does) {
      case 'put':
        this.#put(one.route, one.kind);
        break;
      case 'turn':
        await this.box.turn();
        if (one.sync) this.box.sync();
        break;
      case 'write':
        this.#write(way);
        break;
      case 'confirm':
        for (const stanza of way.written.splice(0, one.many)) this.#settle(stanza);
        break;
      case 'confirm late':
        for (const stanza of way.written.splice(one.which, 1)) this.#settle(stanza);
        break;
      case 'find too big':
        for (const stanza of way.handed.splice(one.which, 1)) this.#tooBig(stanza);
        break;
      case 'break':
        this.#break(way);
        break;
      case 'give back':
        this.#giveBack(way, []);
        break;
      case 'stall':
        if (way.state === 'up') way.state = 'stalled';
        break;
      case 'room':
        this.#room(one.route);
        break;
      case 'refuse':
        this.box.outbox.refuse(one.route, 'dns-not-found');
        break;
      case 'fill the disk':
      case 'free the disk':
        this.#diskFull = one.does === 'fill the disk';
        this.#diskWasFull ||= this.#diskFull;
        break;
      case 'crash':
        this.#crash();
        break;
      case 'stop':
        this.#stop();
        break;
      case 'grow old':
        this.box.now += 2_000;
        this.box.outbox.lookOver();
    }
    expect(this.box.outbox.load.kept, 'no bound leaks').toBeGreaterThanOrEqual(0);
    for (const name of this.box.relief.splice(0)) {
      const partner = name.split(' ').at(-1) ?? '';
      if (name.startsWith('out')) this.#way(partner).pressed = false;
    }
  }

  /** The disk is repaired, streams stand, and peers confirm, until nothing moves any more. */
  async calmDown(): Promise<void> {
    this.#diskFull = false;
    for (let round = 0; round < 6; round++) {
      // What was settled is written with what comes next.
      if (round < 5) this.#put(outward, 'message');
      for (const each of routes) await this.do({ does: 'room', route: each });
      this.box.room(homeward);
      await this.box.kept();
      for (const way of this.#ways.values()) this.#write(way);
      // What is settled in a turn that writes is written with it.
      this.box.store.write(() => undefined);
      for (const way of this.#ways.values()) for (const stanza of way.written.splice(0)) this.#settle(stanza);
      await this.box.kept();
    }
    await this.do({ does: 'turn', sync: true });
  }

  expectAll(): void {
    const bounced = new Set(this.box.answered);
    const received = new Set<string>();
    for (const way of this.#ways.values()) {
      const once = way.received.filter((stanza) => stanza.name === 'message' && !mayRepeat(stanza)).map(({ id }) => id);
      expect(new Set(once).size, 'nothing twice').toBe(once.length);
      expect(once, 'in order').toEqual([...once].sort((former, latter) => Number(former) - Number(latter)));
      for (const id of once) received.add(id);
      for (const { id } of way.received) received.add(id);
      expect(way.pressed, 'nobody waits for ever').toBe(false);
    }
    const given = this.box.bounced.map((text) => text.split(': ') as [string, string]).filter(this.#isLast);
    const told = new Set([...received, ...bounced, ...given.map(([id]) => id)]);
    expect(
      [...this.#accepted].filter((id) => !told.has(id)),
      'nothing is lost',
    ).toEqual([]);
    const denied = [...bounced].filter((id) => received.has(id) && !this.#doubtful.has(id));
    expect(denied, 'nothing is bounced that was delivered beyond doubt').toEqual([]);
    expect(this.box.outbox.load, 'nothing is kept for ever').toEqual({ kept: 0, oldestMs: 0 });
    expect(this.box.rows, 'nor on disk').toBe(0);
  }

  /** Whether no answer follows: there is none, or it could not wait any longer itself, or it went unkept. */
  readonly #isLast = ([id, reason]: [string, string]): boolean =>
    this.#unanswered.has(id) || reason === 'home-unavailable' || reason === 'store-failed';

  #put(to: Route, sort: string): void {
    const id = String(++this.#next);
    const at = `from="u@${to.home}" to="v@${to.partner}" id="${id}"`;
    const xml: Record<string, string> = {
      big: `<message ${at}><body>${BIG}</body></message>`,
      presence: `<presence ${at}/>`,
      iq: `<iq ${at} type="get"><ping xmlns="urn:xmpp:ping"/></iq>`,
      subscribed: `<presence ${at} type="subscribed"/>`,
      error: `<message ${at} type="error"><error/></message>`,
    };
    if (!this.box.put(id, xml[sort], to)) this.#way(to.partner).pressed = true;
    if (sort === 'subscribed') this.#unanswered.add(id);
    if (sort === 'message' || sort === 'big' || sort === 'subscribed') this.box.whenKept(() => this.#accepted.add(id));
  }

  #write(way: Way): void {
    const now = way.handed.splice(0);
    way.received.push(...now);
    way.written.push(...now.filter(({ kept }) => kept !== undefined));
  }

  #settle(stanza: Stanza): void {
    this.#justSettled.add(stanza.id);
    this.box.outbox.settle(stanza);
  }

  #tooBig(stanza: Stanza): void {
    if (stanza.kept !== undefined) this.box.bounce(stanza, 'stanza-too-big');
  }

  /** What was written is in doubt, the rest was certainly not sent. */
  #break(way: Way): void {
    const doubtful = way.written.splice(0);
    for (const { id } of doubtful) this.#doubtful.add(id);
    for (const stanza of doubtful) if (!mayRepeat(stanza)) this.box.bounce(stanza, 'delivery-doubtful');
    this.#giveBack(way, doubtful.filter(mayRepeat));
  }

  /** No stream stands; another may still confirm what is written. */
  #giveBack(way: Way, again: readonly Stanza[]): void {
    way.state = 'down';
    const unsent = way.handed.splice(0).filter(({ kept }) => kept !== undefined);
    if (again.length + unsent.length > 0) this.box.outbox.returned([...again, ...unsent]);
    else if (way.pressed) this.box.room(routes.find(({ partner }) => this.#way(partner) === way));
  }

  #room(of: Route): void {
    this.#way(of.partner).state = 'up';
    this.box.room(of);
  }

  #crash(): void {
    for (const way of this.#ways.values()) {
      for (const { id } of way.written.splice(0)) this.#doubtful.add(id);
      way.handed = [];
      way.state = 'up';
      way.pressed = false;
    }
    for (const id of this.#justSettled) this.#doubtful.add(id);
    this.#justSettled.clear();
    // What came back meanwhile may come once more.
    if (this.#diskWasFull) for (const text of this.box.bounced) this.#doubtful.add(text.split(':')[0] as string);
    this.#diskWasFull = this.#diskFull;
    this.box.restart();
  }

  /** Streams are closed in good order: what they had written is confirmed. */
  #stop(): void {
    this.#diskFull = false;
    for (const way of this.#ways.values()) {
      for (const stanza of way.written.splice(0)) this.box.outbox.settle(stanza);
      this.#giveBack(way, []);
      way.state = 'up';
      way.pressed = false;
    }
    this.#justSettled.clear();
    const before = this.box.bounced.length;
    this.box.stopAndStart();
    const doubted = this.box.bounced.slice(before).filter((text) => text.endsWith('delivery-doubtful'));
    expect(doubted, 'stopping leaves nothing in doubt').toEqual([]);
  }

  #way(partner: string): Way {
    return this.#ways.get(partner) as Way;
  }
}
