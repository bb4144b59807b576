import { describe, expect, it } from 'vitest';
import {
  inbound,
  isAsked,
  isSeen,
  outbound,
  type SubscriptionState,
  type SubscriptionType,
  sees,
  shownState,
} from './subscription-states.ts';

/** RFC 6121 Appendix A.1, by its names. */
const states: Readonly<Record<string, SubscriptionState>> = {
  None: 'none',
  'None + Pending Out': 'none+out',
  'None + Pending In': 'none+in',
  'None + Pending Out+In': 'none+out+in',
  To: 'to',
  'To + Pending In': 'to+in',
  From: 'from',
  'From + Pending Out': 'from+out',
  Both: 'both',
};

/** The tables of Appendix A.2 and A.3 as the RFC prints them: existing state, route or deliver, new state. */
const tables: readonly (readonly [section: string, direction: 'out' | 'in', type: SubscriptionType, rows: string])[] = [
  [
    'A.2.1',
    'out',
    'subscribe',
    `None                  | MUST | None + Pending Out
     None + Pending Out    | MUST | no state change
     None + Pending In     | MUST | None + Pending Out+In
     None + Pending Out+In | MUST | no state change
     To                    | MUST | no state change
     To + Pending In       | MUST | no state change
     From                  | MUST | From + Pending Out
     From + Pending Out    | MUST | no state change
     Both                  | MUST | no state change`,
  ],
  [
    'A.2.2',
    'out',
    'unsubscribe',
    `None                  | MUST | no state change
     None + Pending Out    | MUST | None
     None + Pending In     | MUST | no state change
     None + Pending Out+In | MUST | None + Pending In
     To                    | MUST | None
     To + Pending In       | MUST | None + Pending In
     From                  | MUST | no state change
     From + Pending Out    | MUST | From
     Both                  | MUST | From`,
  ],
  [
    'A.2.3',
    'out',
    'subscribed',
    `None                  | MUST NOT | no state change
     None + Pending Out    | MUST NOT | no state change
     None + Pending In     | MUST     | From
     None + Pending Out+In | MUST     | From + Pending Out
     To                    | MUST NOT | no state change
     To + Pending In       | MUST     | Both
     From                  | MUST NOT | no state change
     From + Pending Out    | MUST NOT | no state change
     Both                  | MUST NOT | no state change`,
  ],
  [
    'A.2.4',
    'out',
    'unsubscribed',
    `None                  | MUST NOT | no state change
     None + Pending Out    | MUST NOT | no state change
     None + Pending In     | MUST     | None
     None + Pending Out+In | MUST     | None + Pending Out
     To                    | MUST NOT | no state change
     To + Pending In       | MUST     | To
     From                  | MUST     | None
     From + Pending Out    | MUST     | None + Pending Out
     Both                  | MUST     | To`,
  ],
  [
    'A.3.1',
    'in',
    'subscribe',
    `None                  | MUST     | None + Pending In
     None + Pending Out    | MUST     | None + Pending Out+In
     None + Pending In     | MUST NOT | no state change
     None + Pending Out+In | MUST NOT | no state change
     To                    | MUST     | To + Pending In
     To + Pending In       | MUST NOT | no state change
     From                  | MUST NOT | no state change
     From + Pending Out    | MUST NOT | no state change
     Both                  | MUST NOT | no state change`,
  ],
  [
    'A.3.2',
    'in',
    'unsubscribe',
    `None                  | MUST NOT | no state change
     None + Pending Out    | MUST NOT | no state change
     None + Pending In     | MUST     | None
     None + Pending Out+In | MUST     | None + Pending Out
     To                    | MUST NOT | no state change
     To + Pending In       | MUST     | To
     From                  | MUST     | None
     From + Pending Out    | MUST     | None + Pending Out
     Both                  | MUST     | To`,
  ],
  [
    'A.3.3',
    'in',
    'subscribed',
    `None                  | MUST NOT | no state change
     None + Pending Out    | MUST     | To
     None + Pending In     | MUST NOT | no state change
     None + Pending Out+In | MUST     | To + Pending In
     To                    | MUST NOT | no state change
     To + Pending In       | MUST NOT | no state change
     From                  | MUST NOT | no state change
     From + Pending Out    | MUST     | Both
     Both                  | MUST NOT | no state change`,
  ],
  [
    'A.3.4',
    'in',
    'unsubscribed',
    `None                  | MUST NOT | no state change
     None + Pending Out    | MUST     | None
     None + Pending In     | MUST NOT | no state change
     None + Pending Out+In | MUST     | None + Pending In
     To                    | MUST     | None
     To + Pending In       | MUST     | None + Pending In
     From                  | MUST NOT | no state change
     From + Pending Out    | MUST     | From
     Both                  | MUST     | From`,
  ],
];

describe.each(tables)('RFC 6121 %s', (_section, direction, type, rows) => {
  const table = direction === 'out' ? outbound : inbound;

  it.each(rows.split('\n').map((row) => row.split('|').map((cell) => cell.trim())))(
    `${direction}bound ${type} in state %s: %s pass, %s`,
    (existing = '', passes, next = '') => {
      const state = states[existing] as SubscriptionState;
      const expected = next === 'no state change' ? state : states[next];
      expect(table[type][state]).toEqual({ passes: passes === 'MUST', next: expected });
    },
  );

  it('speaks of all nine states', () => {
    const spoken = rows.split('\n').map((row) => states[row.split('|')[0]?.trim() ?? '']);
    expect(new Set(spoken)).toEqual(new Set(Object.values(states)));
    expect(Object.keys(table[type])).toHaveLength(9);
  });
});

it.each([
  ['none', 'none', false, false, false, false],
  ['none+out', 'none', true, false, false, false],
  ['none+in', 'none', false, true, false, false],
  ['none+out+in', 'none', true, true, false, false],
  ['to', 'to', false, false, true, false],
  ['to+in', 'to', false, true, true, false],
  ['from', 'from', false, false, false, true],
  ['from+out', 'from', true, false, false, true],
  ['both', 'both', false, false, true, true],
] as const)(
  '%s is shown as %s, ask %s; asked %s, sees %s, is seen %s',
  (state, subscription, ask, asked, see, seen) => {
    expect(shownState(state)).toEqual({ subscription, ask });
    expect([isAsked(state), sees(state), isSeen(state)]).toEqual([asked, see, seen]);
  },
);
