import { type Element, parse } from 'ltx';
import type { Stanza } from '../../bridge/stanza.ts';
import { im } from './im-namespaces.ts';
import { messageType } from './routing.ts';

/** What a message asks of the servers it passes. */
export interface MessageTraits {
  /** Worth keeping for a user who is away: XEP-0160 §3 keeps what was said, and not that somebody was typing. */
  readonly storable: boolean;
  /** Whether the user's other resources get a copy (XEP-0280 §6.1). */
  readonly copied: boolean;
}

/** Reads them off the content of a message of any type. */
export function traitsOf(stanza: Stanza): MessageTraits {
  const type = messageType(stanza.type);
  const tree = parse(stanza.bytes.toString());
  const elements = tree.children.filter((child) => typeof child !== 'string');
  const has = (name: string, namespace: string): boolean => elements.some((child) => is(child, name, namespace));
  const spoken = elements.some((child) => !isPassing(child));
  const typed = type === 'chat' || type === 'normal';
  const told = has('body', '') || elements.some((child) => isReceipt(child));
  const kept = !has('no-store', im.hints) && !has('no-permanent-store', im.hints);
  const secret = has('private', im.carbons) || has('no-copy', im.hints);
  return {
    storable: typed && spoken && kept,
    // A room's private message looks like chat, and its other resources cannot tell who that is (XEP-0280 §6.1).
    copied: typed && (type === 'chat' || told) && !secret && !has('x', im.mucUser),
  };
}

/** What is over once it is seen: chat states (XEP-0085), hints to servers, and the thread they belong to. */
function isPassing(element: Element): boolean {
  const namespace = element.getNS() ?? '';
  if (namespace === im.chatStates || namespace === im.hints) return true;
  return namespace === '' && element.getName() === 'thread';
}

function isReceipt(element: Element): boolean {
  const namespace = element.getNS();
  return namespace === im.receipts || namespace === im.markers;
}

function is(element: Element, name: string, namespace: string): boolean {
  return element.getName() === name && (element.getNS() ?? '') === namespace;
}
