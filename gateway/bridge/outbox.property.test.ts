import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TestOutbox } from './outbox.fixture.ts';
import type { Stanza } from './stanza.ts';

/** What the world does to an outbox, one step at a time. */
const step = fc.oneof(
  { weight: 6, arbitrary: fc.constant('accept' as const) },
  { weight: 4, arbitrary: fc.constant('keep' as const) },
  { weight: 4, arbitrary: fc.constant('confirm' as const) },
  { weight: 1, arbitrary: fc.constant('break' as const) },
  { weight: 1, arbitrary: fc.constant('stall' as const) },
  { weight: 2, arbitrary: fc.constant('room' as const) },
  { weight: 1, arbitrary: fc.constant('crash' as const) },
  { weight: 1, arbitrary: fc.constant('expire' as const) },
);

describe('The outbox, whatever happens to it', () => {
  it('delivers each accepted message once or bounces it, in order, and keeps nothing of what is settled', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const box = new TestOutbox({ ageMs: 1_000 });
        try {
          await play(box, steps);
        } finally {
          box.close();
        }
      }),
      { numRuns: 150 },
    );
  });
});

async function play(
  box: TestOutbox,
  steps: readonly (typeof step extends fc.Arbitrary<infer T> ? T : never)[],
): Promise<void> {
  let next = 0;
  /** Accepted: kept while the process lived. Those put in since the last commit may be lost with it. */
  const accepted = new Set<string>();
  let pending: string[] = [];
  /** What the peer received, in order; and what it was sent and has not confirmed. */
  const received: string[] = [];
  let written: Stanza[] = [];
  let state: 'up' | 'stalled' | 'down' = 'up';
  box.takes = () => (state === 'up' ? 'more' : state === 'stalled' ? 'enough' : 'none');
  /** The stream writes what it was handed; the peer receives it there and then. */
  const write = (): void => {
    const handed = box.handed.splice(0);
    written.push(...handed);
    received.push(...handed.map(({ id }) => id));
  };
  const confirm = (): void => {
    for (const stanza of written.splice(0)) box.outbox.settle(stanza);
  };
  const keep = async (): Promise<void> => {
    await box.kept();
    for (const id of pending.splice(0)) accepted.add(id);
  };
  /** The stream breaks: the written is in doubt, the rest certainly not sent. */
  const breaks = (): void => {
    const unsent = box.handed.splice(0);
    const doubtful = written.splice(0);
    state = 'down';
    for (const stanza of doubtful) {
      box.outbox.settle(stanza);
      box.bounced.push(`${stanza.id}: delivery-doubtful`);
    }
    box.outbox.returned(unsent);
  };
  for (const one of steps) {
    if (one === 'accept') {
      const id = String(++next);
      box.put(id);
      if (!box.bounced.some((text) => text.startsWith(`${id}: `))) pending.push(id);
    } else if (one === 'keep') {
      await keep();
      if (state === 'up') write();
    } else if (one === 'confirm') {
      write();
      confirm();
    } else if (one === 'break') breaks();
    else if (one === 'stall') state = state === 'down' ? 'down' : 'stalled';
    else if (one === 'room') {
      state = 'up';
      box.room();
      await keep();
      write();
    } else if (one === 'crash') {
      write();
      written = [];
      pending = [];
      state = 'up';
      box.restart();
      await keep();
      write();
    } else {
      box.now += 2_000;
      await box.expire();
    }
  }
  state = 'up';
  box.room();
  for (let round = 0; round < 4; round++) {
    await keep();
    write();
  }
  confirm();
  await box.kept();
  const bounced = new Set(box.bounced.map((text) => text.split(':')[0] as string));
  expect(new Set(received).size, 'nothing twice').toBe(received.length);
  expect(received, 'in order').toEqual([...received].sort((one, other) => Number(one) - Number(other)));
  for (const id of accepted) expect(received.includes(id) || bounced.has(id), `${id} is accounted for`).toBe(true);
  expect(box.outbox.load.kept, 'nothing is kept for ever').toBe(0);
}
