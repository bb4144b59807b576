import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type QueueOutlet, SessionQueue } from './session-queue.ts';

const LAPS = 2 ** 32;

class Stream implements QueueOutlet {
  full = false;
  asked = 0;
  readonly written: string[] = [];

  stanza(bytes: Buffer): void {
    this.written.push(bytes.toString());
  }

  ask(): void {
    this.asked++;
  }
}

function queue(stanzas = 100, bytes = 10_000): { queue: SessionQueue; settled: number[] } {
  const settled: number[] = [];
  return { queue: new SessionQueue({ stanzas, bytes }, (mail) => settled.push(mail)), settled };
}

const bytes = (text: string): Buffer => Buffer.from(text);

describe('without acknowledgements', () => {
  it('what is written is settled, and never before it is kept', () => {
    const { queue: pending, settled } = queue();
    const stream = new Stream();
    pending.attach(stream);
    const release = pending.add({ bytes: bytes('a'), mail: 1 });
    pending.add({ bytes: bytes('b'), mail: undefined });
    expect(stream.written).toEqual([]);
    release?.();
    expect(stream.written).toEqual(['a', 'b']);
    expect(settled).toEqual([1]);
    expect(stream.asked).toBe(0);
  });

  it('what the stream has no room for waits, and is unsettled', () => {
    const { queue: pending, settled } = queue();
    const stream = new Stream();
    stream.full = true;
    pending.attach(stream);
    pending.add({ bytes: bytes('a'), mail: 1 })?.();
    expect([stream.written, settled, pending.mail]).toEqual([[], [], [1]]);
    stream.full = false;
    pending.pump();
    expect([stream.written, settled, pending.mail]).toEqual([['a'], [1], []]);
  });
});

describe('with acknowledgements', () => {
  it('what is acknowledged is settled, and what is not is written again on the next stream', () => {
    const { queue: pending, settled } = queue();
    pending.acknowledge();
    const one = new Stream();
    pending.attach(one);
    for (const n of [1, 2, 3]) pending.add({ bytes: bytes(`${n}`), mail: n })?.();
    expect(pending.confirm(1)).toBe(true);
    expect(settled).toEqual([1]);
    pending.detach();
    pending.add({ bytes: bytes('4'), mail: 4 })?.();
    expect(pending.resume(2)).toBe(true);
    const two = new Stream();
    pending.attach(two);
    expect(one.written).toEqual(['1', '2', '3']);
    expect(two.written).toEqual(['3', '4']);
    expect(settled).toEqual([1, 2]);
    expect([...pending.positions()]).toEqual([
      { position: 3, mail: 3 },
      { position: 4, mail: 4 },
    ]);
  });

  it('asks once, and again while something is unconfirmed', () => {
    const { queue: pending } = queue();
    pending.acknowledge();
    const stream = new Stream();
    pending.attach(stream);
    for (const text of ['a', 'b', 'c']) pending.add({ bytes: bytes(text), mail: undefined });
    expect(stream.asked).toBe(1);
    pending.confirm(1);
    expect(stream.asked).toBe(2);
    pending.confirm(3);
    expect(stream.asked).toBe(2);
  });

  it.each([
    ['more than was written', 3],
    ['less than before', 0],
    ['another lap', LAPS - 1],
  ])('a client that confirms %s is not believed', (_what, h) => {
    const { queue: pending } = queue();
    pending.acknowledge();
    pending.attach(new Stream());
    for (const text of ['a', 'b']) pending.add({ bytes: bytes(text), mail: undefined });
    pending.confirm(1);
    expect(pending.confirm(h)).toBe(false);
    expect(pending.taken).toBe(1);
  });

  it('a client cannot have taken what was never written to any stream', () => {
    const { queue: pending } = queue();
    pending.acknowledge();
    pending.attach(new Stream());
    pending.add({ bytes: bytes('a'), mail: undefined });
    pending.detach();
    pending.add({ bytes: bytes('b'), mail: undefined });
    expect(pending.resume(2)).toBe(false);
    expect(pending.resume(1)).toBe(true);
  });

  it('counts on where h wraps', () => {
    const { queue: pending, settled } = queue();
    pending.acknowledge();
    pending.recount(LAPS - 2);
    pending.attach(new Stream());
    for (const n of [1, 2, 3, 4]) pending.add({ bytes: bytes('x'), mail: n })?.();
    expect(pending.confirm(LAPS - 1)).toBe(true);
    expect(pending.confirm(1)).toBe(true);
    expect(settled).toEqual([1, 2, 3]);
  });

  it('after a restart it is the client that says what it took', () => {
    const { queue: pending, settled } = queue();
    pending.acknowledge();
    for (const [mail, before] of [
      [5, 10],
      [6, 14],
      [7, undefined],
    ] as const) {
      pending.add({ bytes: bytes(`${mail}`), mail, before })?.();
    }
    pending.recount(12);
    expect(settled).toEqual([5]);
    const stream = new Stream();
    pending.attach(stream);
    expect(stream.written).toEqual(['6', '7']);
    expect([...pending.positions()]).toEqual([
      { position: 13, mail: 6 },
      { position: 14, mail: 7 },
    ]);
  });
});

it('holds no more than it may', () => {
  const { queue: pending } = queue(2, 10);
  expect(pending.add({ bytes: bytes('12345678901'), mail: undefined })).toBeUndefined();
  expect(pending.add({ bytes: bytes('1234567890'), mail: 1 })).toBeDefined();
  expect(pending.add({ bytes: bytes('1'), mail: 2 })).toBeUndefined();
  expect(pending.mail).toEqual([1]);
});

type Event = 'add' | 'mail' | 'release' | 'confirm' | 'break' | 'fill' | 'drain';
const events = fc.array(
  fc.record({
    event: fc.constantFrom<Event>('add', 'mail', 'mail', 'release', 'confirm', 'break', 'fill', 'drain'),
    part: fc.double({ min: 0, max: 1, noNaN: true }),
  }),
  { maxLength: 60 },
);

describe('whatever happens in whatever order', () => {
  it('a client that counts and resumes gets everything once, in order, and nothing before it is kept', () => {
    fc.assert(
      fc.property(events, (history) => {
        const { queue: pending, settled } = queue(1000, 1_000_000);
        pending.acknowledge();
        const taken: string[] = [];
        const releases: (() => void)[] = [];
        const keptOrPlain = new Set<string>();
        let stream = new Stream();
        let read = 0;
        let added = 0;
        pending.attach(stream);
        const confirm = (part: number): void => {
          // The client reads some of what was written on this stream, and says so.
          const until = read + Math.round((stream.written.length - read) * part);
          taken.push(...stream.written.slice(read, until));
          read = until;
          expect(pending.confirm(taken.length)).toBe(true);
        };
        const reconnect = (part: number): void => {
          const until = read + Math.round((stream.written.length - read) * part);
          taken.push(...stream.written.slice(read, until));
          pending.detach();
          expect(pending.resume(taken.length)).toBe(true);
          stream = new Stream();
          read = 0;
          pending.attach(stream);
        };
        for (const { event, part } of history) {
          if (event === 'add') {
            keptOrPlain.add(`${++added}`);
            pending.add({ bytes: bytes(`${added}`), mail: undefined });
          } else if (event === 'mail') {
            const id = `${++added}`;
            const release = pending.add({ bytes: bytes(id), mail: added });
            releases.push(() => {
              keptOrPlain.add(id);
              release?.();
            });
          } else if (event === 'release') releases.shift()?.();
          else if (event === 'confirm') confirm(part);
          else if (event === 'break') reconnect(part);
          else {
            stream.full = event === 'fill';
            pending.pump();
          }
          for (const id of stream.written) expect(keptOrPlain.has(id)).toBe(true);
        }
        for (const release of releases) release();
        reconnect(1);
        confirm(1);
        expect(taken).toEqual(Array.from({ length: added }, (_, n) => `${n + 1}`));
        expect(pending.mail).toEqual([]);
        expect(settled).toEqual([...settled].sort((one, other) => one - other));
        expect(pending.bytes).toBe(0);
      }),
    );
  });
});
