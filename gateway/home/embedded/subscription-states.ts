/**
 * The nine states of a subscription between a user and a contact, as the user's server sees it (RFC 6121 Appendix A.1):
 * `out` is a request of the user that waits, `in` one of the contact.
 */
export type SubscriptionState =
  | 'none'
  | 'none+out'
  | 'none+in'
  | 'none+out+in'
  | 'to'
  | 'to+in'
  | 'from'
  | 'from+out'
  | 'both';

/** The presence types that ask and answer for a subscription. */
export type SubscriptionType = 'subscribe' | 'subscribed' | 'unsubscribe' | 'unsubscribed';

/** What a stanza does to a state. */
export interface Transition {
  /** Whether the stanza goes on: outbound to the contact, inbound to the user's resources. */
  readonly passes: boolean;
  readonly next: SubscriptionState;
}

type Table = Readonly<Record<SubscriptionType, Readonly<Record<SubscriptionState, Transition>>>>;

const pass = (next: SubscriptionState): Transition => ({ passes: true, next });
const hold = (next: SubscriptionState): Transition => ({ passes: false, next });

/** RFC 6121 Appendix A.2: stanzas of the user for a contact. */
export const outbound: Table = {
  subscribe: {
    none: pass('none+out'),
    'none+out': pass('none+out'),
    'none+in': pass('none+out+in'),
    'none+out+in': pass('none+out+in'),
    to: pass('to'),
    'to+in': pass('to+in'),
    from: pass('from+out'),
    'from+out': pass('from+out'),
    both: pass('both'),
  },
  unsubscribe: {
    none: pass('none'),
    'none+out': pass('none'),
    'none+in': pass('none+in'),
    'none+out+in': pass('none+in'),
    to: pass('none'),
    'to+in': pass('none+in'),
    from: pass('from'),
    'from+out': pass('from'),
    both: pass('from'),
  },
  subscribed: {
    none: hold('none'),
    'none+out': hold('none+out'),
    'none+in': pass('from'),
    'none+out+in': pass('from+out'),
    to: hold('to'),
    'to+in': pass('both'),
    from: hold('from'),
    'from+out': hold('from+out'),
    both: hold('both'),
  },
  unsubscribed: {
    none: hold('none'),
    'none+out': hold('none+out'),
    'none+in': pass('none'),
    'none+out+in': pass('none+out'),
    to: hold('to'),
    'to+in': pass('to'),
    from: pass('none'),
    'from+out': pass('none+out'),
    both: pass('to'),
  },
};

/** RFC 6121 Appendix A.3: stanzas of a contact for the user. */
export const inbound: Table = {
  subscribe: {
    none: pass('none+in'),
    'none+out': pass('none+out+in'),
    'none+in': hold('none+in'),
    'none+out+in': hold('none+out+in'),
    to: pass('to+in'),
    'to+in': hold('to+in'),
    from: hold('from'),
    'from+out': hold('from+out'),
    both: hold('both'),
  },
  unsubscribe: {
    none: hold('none'),
    'none+out': hold('none+out'),
    'none+in': pass('none'),
    'none+out+in': pass('none+out'),
    to: hold('to'),
    'to+in': pass('to'),
    from: pass('none'),
    'from+out': pass('none+out'),
    both: pass('to'),
  },
  subscribed: {
    none: hold('none'),
    'none+out': pass('to'),
    'none+in': hold('none+in'),
    'none+out+in': pass('to+in'),
    to: hold('to'),
    'to+in': hold('to+in'),
    from: hold('from'),
    'from+out': pass('both'),
    both: hold('both'),
  },
  unsubscribed: {
    none: hold('none'),
    'none+out': pass('none'),
    'none+in': hold('none+in'),
    'none+out+in': pass('none+in'),
    to: pass('none'),
    'to+in': pass('none+in'),
    from: hold('from'),
    'from+out': pass('from'),
    both: pass('from'),
  },
};

/** What a roster shows of a state, RFC 6121 §2.1.2: a contact's waiting request is no part of it. */
export interface ShownState {
  readonly subscription: 'none' | 'to' | 'from' | 'both';
  /** Whether a request of the user waits for its answer (`ask='subscribe'`). */
  readonly ask: boolean;
}

export function shownState(state: SubscriptionState): ShownState {
  const [subscription, ...pending] = state.split('+') as [ShownState['subscription'], ...string[]];
  return { subscription, ask: pending.includes('out') };
}

/** Whether a request of the contact waits for the user's answer. */
export function isAsked(state: SubscriptionState): boolean {
  return state.endsWith('+in');
}

/** Whether the contact receives the user's presence. */
export function isSeen(state: SubscriptionState): boolean {
  return state === 'both' || state.startsWith('from');
}

/** Whether the user receives the contact's presence. */
export function sees(state: SubscriptionState): boolean {
  return state === 'both' || state.startsWith('to');
}

export function isSubscriptionType(type: string): type is SubscriptionType {
  return Object.hasOwn(outbound, type);
}

export function isSubscriptionState(text: string): text is SubscriptionState {
  return Object.hasOwn(outbound.subscribe, text);
}
