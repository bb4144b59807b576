/** The states of a subscription between a user and a contact (RFC 6121 Appendix A.1), as the user's server sees it. */
export type State = (typeof states)[number];

export const states = [
  'none',
  'none + out',
  'none + in',
  'none + out + in',
  'to',
  'to + in',
  'from',
  'from + out',
  'both',
] as const;

export type Kind = 'subscribe' | 'subscribed' | 'unsubscribe' | 'unsubscribed';
/** `out`: the user to the contact; `in`: the contact to the user. */
export type Way = 'out' | 'in';
export type Step = readonly [Way, Kind];

/** One row of a table: whether the stanza goes on to the contact, or to the user, and the state behind it. */
export interface Row {
  readonly state: State;
  readonly step: Step;
  readonly passes: boolean;
  readonly next: State;
}

/** For each state, in the order above: whether the stanza passes, and the next state where it changes. */
type Table = readonly (readonly ['must' | 'must not', State?])[];

/** RFC 6121 Appendix A.2, the user's own stanzas. */
const out: Readonly<Record<Kind, Table>> = {
  subscribe: [
    ['must', 'none + out'],
    ['must'],
    ['must', 'none + out + in'],
    ['must'],
    ['must'],
    ['must'],
    ['must', 'from + out'],
    ['must'],
    ['must'],
  ],
  unsubscribe: [
    ['must'],
    ['must', 'none'],
    ['must'],
    ['must', 'none + in'],
    ['must', 'none'],
    ['must', 'none + in'],
    ['must'],
    ['must', 'from'],
    ['must', 'from'],
  ],
  subscribed: [
    ['must not'],
    ['must not'],
    ['must', 'from'],
    ['must', 'from + out'],
    ['must not'],
    ['must', 'both'],
    ['must not'],
    ['must not'],
    ['must not'],
  ],
  unsubscribed: [
    ['must not'],
    ['must not'],
    ['must', 'none'],
    ['must', 'none + out'],
    ['must not'],
    ['must', 'to'],
    ['must', 'none'],
    ['must', 'none + out'],
    ['must', 'to'],
  ],
};

/** RFC 6121 Appendix A.3, the contact's stanzas. */
const into: Readonly<Record<Kind, Table>> = {
  subscribe: [
    ['must', 'none + in'],
    ['must', 'none + out + in'],
    ['must not'],
    ['must not'],
    ['must', 'to + in'],
    ['must not'],
    ['must not'],
    ['must not'],
    ['must not'],
  ],
  unsubscribe: [
    ['must not'],
    ['must not'],
    ['must', 'none'],
    ['must', 'none + out'],
    ['must not'],
    ['must', 'to'],
    ['must', 'none'],
    ['must', 'none + out'],
    ['must', 'to'],
  ],
  subscribed: [
    ['must not'],
    ['must', 'to'],
    ['must not'],
    ['must', 'to + in'],
    ['must not'],
    ['must not'],
    ['must not'],
    ['must', 'both'],
    ['must not'],
  ],
  unsubscribed: [
    ['must not'],
    ['must', 'none'],
    ['must not'],
    ['must', 'none + in'],
    ['must', 'none'],
    ['must', 'none + in'],
    ['must not'],
    ['must', 'from'],
    ['must', 'from'],
  ],
};

/** All 72 rows. */
export const rows: readonly Row[] = Object.entries({ out, in: into }).flatMap(([way, tables]) =>
  Object.entries(tables).flatMap(([kind, table]) =>
    table.map(([verdict, next], index) => {
      const state = states[index] ?? 'none';
      return { state, step: [way, kind] as Step, passes: verdict === 'must', next: next ?? state };
    }),
  ),
);

/** How a contact comes from nothing to each state. */
export const ways: Readonly<Record<State, readonly Step[]>> = {
  none: [],
  'none + out': [['out', 'subscribe']],
  'none + in': [['in', 'subscribe']],
  'none + out + in': [
    ['out', 'subscribe'],
    ['in', 'subscribe'],
  ],
  to: [
    ['out', 'subscribe'],
    ['in', 'subscribed'],
  ],
  'to + in': [
    ['out', 'subscribe'],
    ['in', 'subscribed'],
    ['in', 'subscribe'],
  ],
  from: [
    ['in', 'subscribe'],
    ['out', 'subscribed'],
  ],
  'from + out': [
    ['in', 'subscribe'],
    ['out', 'subscribed'],
    ['out', 'subscribe'],
  ],
  both: [
    ['in', 'subscribe'],
    ['out', 'subscribed'],
    ['out', 'subscribe'],
    ['in', 'subscribed'],
  ],
};
