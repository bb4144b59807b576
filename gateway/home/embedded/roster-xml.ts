import type { Stanza } from '../../bridge/stanza.ts';
import { escapeAttribute, escapeText } from '../../xmpp/xml.ts';
import { im } from './im-namespaces.ts';
import { type RosterItem, wireContact } from './roster.ts';
import { compose } from './stanza-bytes.ts';
import { shownState } from './subscription-states.ts';

/** A contact as the user's clients see it, RFC 6121 §2.1.2; one that is not listed has been removed. */
export function itemXml({ contact, state, listed, approved, name, groups }: RosterItem): string {
  const jid = ` jid="${escapeAttribute(wireContact(contact))}"`;
  if (!listed) return `<item${jid} subscription="remove"/>`;
  const { subscription, ask } = shownState(state);
  const attributes = [
    jid,
    name === '' ? '' : ` name="${escapeAttribute(name)}"`,
    ` subscription="${subscription}"`,
    ask ? ' ask="subscribe"' : '',
    approved ? ' approved="true"' : '',
  ].join('');
  const content = groups.map((group) => `<group>${escapeText(group)}</group>`).join('');
  return content === '' ? `<item${attributes}/>` : `<item${attributes}>${content}</item>`;
}

/** What a roster of this version is, in XML: RFC 6121 §2.1.1, §2.6. */
export function queryXml(version: number, items: readonly RosterItem[]): string {
  return `<query xmlns="${im.roster}" ver="${version}">${items.map(itemXml).join('')}</query>`;
}

/** Tells a resource of a change, RFC 6121 §2.1.6; `version` is that of the roster behind it. */
export function rosterPush(to: string, version: number, item: RosterItem): Stanza {
  return compose('iq', { from: '', to, type: 'set', id: `roster-${version}` }, queryXml(version, [item]));
}
