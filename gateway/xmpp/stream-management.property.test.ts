import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Stanza } from '../bridge/stanza.ts';
import { StreamManagement } from './stream-management.ts';
import { message } from './testing/recording.fixture.ts';

/** One end of a session: what it has sent and taken, and what of that a crash would leave. */
class End {
  readonly name: string;
  readonly sent: string[] = [];
  /** What the peer is known to have taken. */
  readonly delivered: string[] = [];
  taken: string[] = [];
  /** How much of what was taken is kept. */
  #kept = 0;
  #waiting: (() => void)[] = [];
  /** Bytes on their way to the peer. */
  wire: string[] = [];
  management: StreamManagement;

  constructor(name: string) {
    this.name = name;
    this.management = this.#manage({ sent: 0, handled: 0 });
  }

  send(): void {
    const id = `${this.name}${this.sent.length}`;
    this.sent.push(id);
    this.management.send(stanza(id, this.sent.length));
    this.management.flush();
  }

  /** Reads one item of what the peer wrote. */
  async read(item: string): Promise<void> {
    const id = /<message .*id='([^']*)'/.exec(item)?.[1];
    if (id !== undefined) {
      this.taken.push(id);
      this.management.took();
    } else this.management.element({ name: item.charAt(1), bytes: Buffer.from(item) });
    await Promise.resolve();
  }

  /** All that was taken is kept from now on. */
  commit(): void {
    this.#kept = this.taken.length;
    for (const then of this.#waiting.splice(0)) then();
  }

  /** A kill: what was taken and not kept was never taken, and who sent it was never told otherwise. */
  crash(): void {
    this.taken.length = this.#kept;
    this.#waiting = [];
    this.wire = [];
    this.management.close(false, () => undefined);
  }

  /** Goes on over a new connection with a peer that has handled `h`, having handled so many itself. */
  resume(h: number, handled: number, again: readonly Stanza[]): void {
    this.wire = [];
    this.management = this.#manage({ sent: h, handled });
    for (const one of again) this.management.send(one);
    this.management.flush();
  }

  get kept(): number {
    return this.#kept;
  }

  #manage(from: { sent: number; handled: number }): StreamManagement {
    const write = (data: Buffer | string): void => void this.wire.push(data.toString());
    const host = {
      delivered: ({ id }: Stanza): void => void this.delivered.push(id),
      whenKept: (then: () => void): void => void this.#waiting.push(then),
    };
    return new StreamManagement({ send: write, answer: write }, { host, room: () => undefined, from });
  }
}

function stanza(id: string, ticket: number): Stanza {
  return { ...message('u@a.example', 'v@b.example', id), kept: { queue: 1, ticket, since: 0 } };
}

/** The connection breaks, with all that is on its way, and another resumes the session. */
function interrupt(one: End, two: End): void {
  for (const end of [one, two]) end.commit(); // a resumption waits until what it counts is kept
  const [first, second] = [one.management.suspend(), two.management.suspend()];
  if (first === undefined || second === undefined) throw new Error('nothing to resume');
  const again = [first.resumed(second.handled).unsent, second.resumed(first.handled).unsent];
  one.resume(second.handled, first.handled, again[0] ?? []);
  two.resume(first.handled, second.handled, again[1] ?? []);
}

/** The second end is killed and remembers nothing but how many it had kept; the first one resumes the session. */
function kill(one: End, two: End): void {
  one.commit();
  two.crash();
  const first = one.management.suspend();
  if (first === undefined) throw new Error('nothing to resume');
  const { unsent } = first.resumed(two.kept);
  one.resume(two.kept, first.handled, unsent);
  two.resume(first.handled, two.kept, []);
}

const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('send' as const), by: fc.integer({ min: 0, max: 1 }) }) },
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant('read' as const), by: fc.integer({ min: 0, max: 1 }), count: fc.nat(5) }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('commit' as const), by: fc.integer({ min: 0, max: 1 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('break' as const), by: fc.constant(0) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('kill' as const), by: fc.constant(0) }) },
);

type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

describe('Two ends of a session', () => {
  const run = async (steps: readonly Step[]): Promise<[End, End]> => {
    const ends: [End, End] = [new End('a'), new End('b')];
    const [one, two] = ends;
    const other = (by: number): End => (by === 0 ? two : one);
    const read = async (by: number, count: number): Promise<void> => {
      for (const item of other(by).wire.splice(0, count)) await ends[by === 0 ? 0 : 1].read(item);
    };
    for (const taken of steps) {
      const end = taken.by === 0 ? one : two;
      if (taken.do === 'send') end.send();
      else if (taken.do === 'read') await read(taken.by, taken.count);
      else if (taken.do === 'commit') end.commit();
      else if (taken.do === 'break') interrupt(one, two);
      else kill(one, two);
    }
    interrupt(one, two);
    while (one.wire.length + two.wire.length > 0) {
      for (const by of [0, 1]) await read(by, Number.POSITIVE_INFINITY);
      for (const end of ends) end.commit();
    }
    return ends;
  };

  it('lose and double nothing, however their connections break', async () => {
    const steps = fc.array(
      step.filter((one) => one.do !== 'kill'),
      { maxLength: 80 },
    );
    await fc.assert(
      fc.asyncProperty(steps, async (taken) => {
        const [one, two] = await run(taken);
        expect(two.taken).toEqual(one.sent);
        expect(one.taken).toEqual(two.sent);
        expect([one.delivered, two.delivered]).toEqual([one.sent, two.sent]);
        expect([one.management.pending, two.management.pending]).toEqual([0, 0]);
      }),
      { numRuns: 300 },
    );
  });

  it('lose and double nothing towards one that is killed and remembers its count', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 80 }), async (taken) => {
        const [one, two] = await run(taken);
        expect(two.taken).toEqual(one.sent);
        expect(one.delivered).toEqual(one.sent);
        // What the killed end had sent itself and not seen confirmed is for its outbox: here it must come at most once.
        expect(one.taken).toEqual(two.sent.filter((id) => one.taken.includes(id)));
        expect(two.delivered).toEqual(two.sent.filter((id) => two.delivered.includes(id)));
        expect(two.delivered.every((id) => one.taken.includes(id))).toBe(true);
      }),
      { numRuns: 300 },
    );
  });
});
