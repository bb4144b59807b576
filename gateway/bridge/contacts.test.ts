import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Contacts } from './contacts.ts';

type Direction = 'inbound' | 'outbound';

/** RFC 6121 §3 and §4 as a table: which half of a pair a stanza makes or ends, and whether it may make a new pair. */
const effects: Readonly<
  Record<Direction, Readonly<Record<string, readonly ['makes' | 'confirms' | 'ends', 'us' | 'them']>>>
> = {
  outbound: {
    subscribe: ['makes', 'them'],
    unsubscribe: ['ends', 'them'],
    subscribed: ['makes', 'us'],
    unsubscribed: ['ends', 'us'],
    '': ['makes', 'us'],
    probe: ['makes', 'them'],
  },
  inbound: {
    subscribe: ['makes', 'us'],
    unsubscribe: ['ends', 'us'],
    subscribed: ['confirms', 'them'],
    unsubscribed: ['ends', 'them'],
    '': ['confirms', 'them'],
  },
};

const step = fc.record({
  partner: fc.constantFrom('p.example', 'q.example'),
  local: fc.constantFrom('a@h.example', 'b@h.example'),
  remote: fc.constantFrom('x@p.example', 'y@p.example', 'z@p.example'),
  direction: fc.constantFrom<Direction>('inbound', 'outbound'),
  type: fc.constantFrom('subscribe', 'subscribed', 'unsubscribe', 'unsubscribed', '', 'probe', 'unavailable'),
});

describe('contacts', () => {
  it('are the pairs of which one sees the other or asked to, as many as the limit', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), fc.integer({ min: 0, max: 5 }), (steps, limit) => {
        const contacts = new Contacts();
        const model = new Map<string, Set<string>>();
        const pairsOf = (partner: string): string[] => [...model.keys()].filter((key) => key.startsWith(partner));
        for (const { partner, local, remote, direction, type } of steps) {
          const key = `${partner} ${local} ${remote}`;
          const admitted = model.has(key) || pairsOf(partner).length < limit;
          expect(contacts.admits(partner, local, remote, limit)).toBe(admitted);
          contacts.crossed(partner, local, remote, direction, type, limit);
          const [effect, half] = effects[direction][type] ?? [];
          if (half === undefined) continue;
          const halves = model.get(key) ?? new Set();
          if (effect === 'ends') halves.delete(half);
          else if (model.has(key) || (effect === 'makes' && admitted)) halves.add(half);
          if (halves.size > 0) model.set(key, halves);
          else model.delete(key);
          expect(contacts.count(partner)).toBe(pairsOf(partner).length);
        }
      }),
    );
  });

  it('are bounded where the policy sets no bound', () => {
    const contacts = new Contacts();
    for (let n = 0; n <= 200_000; n++) contacts.crossed('p', 'a', String(n), 'inbound', 'subscribe');
    expect(contacts.count('p')).toBe(200_000);
    expect(contacts.admits('p', 'a', 'one more')).toBe(false);
    expect(contacts.admits('p', 'a', '7')).toBe(true);
    expect(contacts.admits('q', 'a', '7')).toBe(true);
    contacts.retain(new Set(['q']));
    expect(contacts.count('p')).toBe(0);
  });
});
