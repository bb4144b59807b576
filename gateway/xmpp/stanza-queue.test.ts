import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Stanza } from '../bridge/stanza.ts';
import { StanzaQueue } from './stanza-queue.ts';
import { message } from './testing/recording.fixture.ts';

const stanza = (id: string): Stanza => message('u@h.example', 'v@p.example', id);
const ids = (stanzas: readonly Stanza[]): string[] => stanzas.map(({ id }) => id);
const queueOf = (...all: string[]): StanzaQueue => {
  const queue = new StanzaQueue();
  for (const id of all) queue.push(stanza(id), 1000);
  return queue;
};

type Model = { id: string; bytes: number; deadline: number }[];
type Step =
  | { do: 'push'; wait: number }
  | { do: 'shift' }
  | { do: 'expire'; after: number }
  | { do: 'restore'; count: number }
  | { do: 'drain' };
const steps = fc.array(
  fc.oneof(
    { weight: 8, arbitrary: fc.record({ do: fc.constant('push' as const), wait: fc.nat(50) }) },
    { weight: 5, arbitrary: fc.record({ do: fc.constant('shift' as const) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('expire' as const), after: fc.nat(60) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('restore' as const), count: fc.integer({ min: 1, max: 3 }) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('drain' as const) }) },
  ),
  { maxLength: 200 },
);

describe('A queue of stanzas', () => {
  it('is in order, and counts stanzas and bytes, whatever is done with it', () => {
    fc.assert(
      fc.property(steps, (all: Step[]) => {
        const queue = new StanzaQueue();
        let model: Model = [];
        let now = 0;
        let made = 0;
        const make = (): Stanza => stanza(String(++made));
        for (const step of all) {
          now++;
          if (step.do === 'push') {
            const one = make();
            queue.push(one, now + step.wait);
            model.push({ id: one.id, bytes: one.bytes.length, deadline: now + step.wait });
          } else if (step.do === 'shift') {
            expect(queue.shift()?.id).toBe(model.shift()?.id);
          } else if (step.do === 'expire') {
            const kept = model.findIndex(({ deadline }) => deadline > now + step.after);
            const gone = kept < 0 ? model : model.slice(0, kept);
            model = kept < 0 ? [] : model.slice(kept);
            expect(ids(queue.expire(now + step.after))).toEqual(gone.map(({ id }) => id));
          } else if (step.do === 'restore') {
            const back = Array.from({ length: step.count }, make);
            expect(queue.restore(back, now + 30)).toBeUndefined();
            model = [...back.map(({ id, bytes }) => ({ id, bytes: bytes.length, deadline: now + 30 })), ...model];
          } else {
            expect(ids(queue.drain())).toEqual(model.map(({ id }) => id));
            model = [];
          }
          expect(queue.length).toBe(model.length);
          expect(queue.bytes).toBe(model.reduce((sum, { bytes }) => sum + bytes, 0));
          expect(queue.nextDeadline).toBe(model[0]?.deadline ?? Number.POSITIVE_INFINITY);
        }
      }),
    );
  });

  it('keeps its order through thousands of stanzas, as its store is trimmed', () => {
    const all = Array.from({ length: 5000 }, (_, n) => String(n));
    const queue = queueOf(...all);
    expect(all.map(() => queue.shift()?.id)).toEqual(all);
    expect(queue.length).toBe(0);
    expect(queue.bytes).toBe(0);
  });

  it('lets nothing overtake a stanza that may still wait', () => {
    const queue = new StanzaQueue();
    queue.push(stanza('patient'), 100);
    queue.push(stanza('hasty'), 10);
    expect(queue.expire(50)).toEqual([]);
    expect(ids(queue.expire(100))).toEqual(['patient', 'hasty']);
  });

  it('gives up what heads the unconfirmed for the fourth time, and keeps the rest in order', () => {
    const queue = queueOf('waiting');
    const [poison, next] = [stanza('poison'), stanza('next')];
    for (let time = 1; time <= 3; time++) {
      expect(queue.restore([poison, next], 1000)).toBeUndefined();
      expect(queue.shift()).toBe(poison);
      expect(queue.shift()).toBe(next);
    }
    expect(queue.restore([poison, next], 1000)).toBe(poison);
    expect(ids(queue.drain())).toEqual(['next', 'waiting']);
  });

  it('suspects anew where another stanza headed the unconfirmed in between', () => {
    const queue = new StanzaQueue();
    const [one, other] = [stanza('1'), stanza('2')];
    for (const head of [one, one, one, other, one, one, one]) {
      expect(queue.restore([head], 1000)).toBeUndefined();
      queue.drain();
    }
    expect(queue.restore([one], 1000)).toBe(one);
  });

  it('is not changed by a stream that left nothing', () => {
    const queue = queueOf('1');
    expect(queue.restore([], 1000)).toBeUndefined();
    expect(ids(queue.drain())).toEqual(['1']);
  });
});
