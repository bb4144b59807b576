import { describe, expect, it } from 'vitest';
import { messageType, type Recipient, routeMessage } from './routing.ts';

/**
 * RFC 6121 §8.5.4, table 1, for accounts that exist: S silently ignored (or refused, where the text of §8.5 allows), E
 * error, O kept for later, D delivered to the one, A to all. Where it has S for what somebody said, we refuse (R).
 */
const rows: readonly (readonly [condition: string, recipient: Recipient, letters: string])[] = [
  ['bare, nobody there', { named: false, connected: false, taking: false }, 'O O E S S'],
  ['full, nobody there', { named: true, connected: false, taking: false }, 'R O R S S'],
  ['full, no match, but others', { named: true, connected: false, taking: true }, 'R M R S S'],
  ['full, match of negative priority', { named: true, connected: true, taking: false }, 'D D D D D'],
  ['full, match', { named: true, connected: true, taking: true }, 'D D D D D'],
  ['bare, somebody takes messages', { named: false, connected: false, taking: true }, 'M M E A S'],
];
const types = ['normal', 'chat', 'groupchat', 'headline', 'error'] as const;
const meaning = {
  O: 'wait',
  E: 'refuse',
  R: 'refuse',
  S: 'ignore',
  D: 'resource',
  M: 'best',
  A: 'every',
} as const;

describe.each(rows)('%s', (_condition, recipient, letters) => {
  it.each(types.map((type, n) => [type, letters.split(' ')[n] as keyof typeof meaning] as const))(
    '%s: %s',
    (type, letter) => {
      expect(routeMessage(type, recipient)).toBe(meaning[letter]);
    },
  );
});

it.each([
  ['', 'normal'],
  ['normal', 'normal'],
  ['telegram', 'normal'],
  ['chat', 'chat'],
  ['error', 'error'],
])('takes the type "%s" for %s', (written, type) => {
  expect(messageType(written)).toBe(type);
});
