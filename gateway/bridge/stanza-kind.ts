import type { Stanza } from './stanza.ts';

export const MUC = 'http://jabber.org/protocol/muc';
export const MUC_USER = 'http://jabber.org/protocol/muc#user';

/** What a stanza is to the bridge: finer than a policy kind, as each of these has its own rules of answering. */
export type Role =
  | 'message'
  | 'presence'
  | 'join'
  | 'probe'
  /** subscribe, unsubscribe: a request about the other's presence. */
  | 'subscription-request'
  /** subscribed, unsubscribed: an answer about one's own. */
  | 'subscription-answer'
  | 'iq-request'
  | 'iq-answer'
  /** A message or presence of type error: never answered. */
  | 'error'
  | 'malformed';

/** Reads the role off a stanza, RFC 6120 §8.2.3 and RFC 6121 §4.7.1, §5.2.2. */
export function roleOf(stanza: Stanza): Role {
  const { name, type } = stanza;
  if (name === 'message') return type === 'error' ? 'error' : 'message';
  if (name === 'iq') {
    if (stanza.id === '') return 'malformed';
    // One payload, or servers may act on another than the one that was judged (RFC 6120 §8.2.3).
    if (type === 'get' || type === 'set') return stanza.children === 1 ? 'iq-request' : 'malformed';
    return type === 'result' || type === 'error' ? 'iq-answer' : 'malformed';
  }
  switch (type) {
    case '':
      return mentionsJoin(stanza) ? 'join' : 'presence';
    case 'unavailable':
      return 'presence';
    case 'probe':
      return 'probe';
    case 'subscribe':
    case 'unsubscribe':
      return 'subscription-request';
    case 'subscribed':
    case 'unsubscribed':
      return 'subscription-answer';
    default:
      return type === 'error' ? 'error' : 'malformed';
  }
}

/** XEP-0045 §7.2: a join carries the muc element, though not always first. */
function mentionsJoin({ childName, childNamespace, bytes }: Stanza): boolean {
  if (childName === 'x' && childNamespace === MUC) return true;
  return bytes.includes(`${MUC}"`) || bytes.includes(`${MUC}'`);
}
