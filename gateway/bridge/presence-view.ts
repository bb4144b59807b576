import { type Element, parse } from 'ltx';
import type { Show } from '../../policies/judge.ts';
import { compose, escapeXml } from './reply.ts';
import type { Stanza } from './stanza.ts';
import { MUC, MUC_USER } from './stanza-kind.ts';

const SLASH = 0x2f;
/** RFC 6121 §4.7.2.1. */
const SHOWS = new Set(['away', 'chat', 'dnd', 'xa']);

/**
 * What a partner sees of a presence at a level: `availability` leaves the fact alone, `status` adds show, status text
 * and priority. What joins and describes rooms stays at both, for a room is nothing without it (XEP-0045).
 */
export function reduce(stanza: Stanza, show: Exclude<Show, 'nothing' | 'full'>): Stanza {
  // Nothing but a tag: most of what is asked and answered about presence.
  if (stanza.children === 0 && stanza.bytes.at(-2) === SLASH) return stanza;
  const tree = parse(stanza.bytes.toString());
  const kept = tree.children
    .filter((child) => typeof child !== 'string')
    .map((child) => keep(child, tree.attrs, show))
    .join('');
  return compose('presence', stanza, kept);
}

/** XEP-0033: how a room tells who wrote what stands in its history (XEP-0045 §7.2.14). */
const ADDRESSES = 'http://jabber.org/protocol/address';
/** How both namespaces begin; as bytes, since every message that goes out is searched for it. */
const PROTOCOL = Buffer.from('http://jabber.org/protocol/');

/**
 * Takes the real addresses of users whom the partner may not see out of what a room says: of occupants (XEP-0045
 * §7.2.3), of who changed a role (§8.2), of who invites (§7.8.2), and of who wrote what is repeated.
 */
export function hideAddresses(stanza: Stanza, hidden: (address: string) => boolean): Stanza {
  if (!stanza.bytes.includes(PROTOCOL)) return stanza;
  if (!stanza.bytes.includes(MUC_USER) && !stanza.bytes.includes(ADDRESSES)) return stanza;
  const tree = parse(stanza.bytes.toString());
  let changed = false;
  const hide = (element: Element): void => {
    for (const name of ['jid', 'from'] as const) {
      const address = element.attrs[name];
      if (address === undefined || !hidden(address)) continue;
      delete element.attrs[name];
      changed = true;
    }
    for (const child of element.children) if (typeof child !== 'string') hide(child);
  };
  const telling = [...tree.getChildren('x', MUC_USER), ...tree.getChildren('addresses', ADDRESSES)];
  for (const element of telling) hide(element);
  return changed ? { ...stanza, bytes: Buffer.from(tree.toString()) } : stanza;
}

function keep(child: Element, root: Element['attrs'], show: Show): string {
  const namespace = child.attrs.xmlns;
  if (child.name === 'x' && (namespace === MUC || namespace === MUC_USER)) {
    // Prefixes that the child uses may have been declared on the presence, whose tag is written anew.
    const prefixes = Object.entries(root).filter(([name]) => name.startsWith('xmlns:'));
    child.attrs = { ...Object.fromEntries(prefixes), ...child.attrs };
    return child.toString();
  }
  if (show !== 'status' || namespace !== undefined) return '';
  const text = child.getText();
  if (child.name === 'show') return SHOWS.has(text.trim()) ? `<show>${text.trim()}</show>` : '';
  if (child.name === 'priority') return /^\s*-?\d{1,3}\s*$/.test(text) ? `<priority>${text.trim()}</priority>` : '';
  if (child.name !== 'status') return '';
  const lang = child.attrs['xml:lang'] ?? root['xml:lang'];
  const attribute = lang === undefined ? '' : ` xml:lang="${escapeXml(lang)}"`;
  return `<status${attribute}>${escapeXml(text)}</status>`;
}
