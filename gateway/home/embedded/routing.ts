/**
 * Where a message for a local user goes (RFC 6121 §8.5, table of §8.5.4): `resource` is the one that its address names,
 * `best` the most available one, `every` all that take messages; `wait` is to be kept until one does; `refuse` is
 * answered, and `ignore` is not. Where the standard leaves the choice, nobody's message vanishes: it is refused.
 */
export type MessageRoute = 'resource' | 'best' | 'every' | 'wait' | 'refuse' | 'ignore';

export type MessageType = 'normal' | 'chat' | 'groupchat' | 'headline' | 'error';

/** What is known where a message arrives. */
export interface Recipient {
  /** Whether the message names a resource, and whether that one is connected. */
  readonly named: boolean;
  readonly connected: boolean;
  /** Whether any resource is available with a priority that is not negative. */
  readonly taking: boolean;
}

/** RFC 6121 §5.2.2: what is absent or unknown counts as `normal`. */
export function messageType(type: string): MessageType {
  return type === 'chat' || type === 'groupchat' || type === 'headline' || type === 'error' ? type : 'normal';
}

/** For an account that exists. */
export function routeMessage(type: MessageType, { named, connected, taking }: Recipient): MessageRoute {
  if (named) {
    // §8.5.3.1
    if (connected) return 'resource';
    // §8.5.3.2.1: chat is treated as for the bare address.
    if (type !== 'chat') return unreached(type);
  }
  switch (type) {
    case 'normal':
    case 'chat':
      return taking ? 'best' : 'wait';
    case 'headline':
      return taking ? 'every' : 'ignore';
    default:
      // §8.5.2.1.1, §8.5.2.2.1: whether or not any resource is there.
      return unreached(type);
  }
}

function unreached(type: MessageType): MessageRoute {
  return type === 'headline' || type === 'error' ? 'ignore' : 'refuse';
}
