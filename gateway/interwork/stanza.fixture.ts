import { parse } from 'ltx';
import type { Stanza, StanzaName } from '../bridge/stanza.ts';

/** A stanza from XML as it stands on a stream, for tests. */
export function stanzaFrom(xml: string): Stanza {
  const root = parse(xml);
  const [first, ...rest] = root.getChildElements();
  return {
    name: root.name as StanzaName,
    from: root.attrs.from ?? '',
    to: root.attrs.to ?? '',
    type: root.attrs.type ?? '',
    id: root.attrs.id ?? '',
    childName: first?.getName() ?? '',
    childNamespace: first === undefined ? '' : (first.getNS() ?? 'jabber:server'),
    children: first === undefined ? 0 : rest.length + 1,
    bytes: Buffer.from(xml),
  };
}
