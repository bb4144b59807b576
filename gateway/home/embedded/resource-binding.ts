import { parse } from 'ltx';
import { parseAddress } from '../../../policies/address.ts';
import { ns } from '../../xmpp/namespaces.ts';
import type { ScannedElement } from '../../xmpp/start-tag.ts';
import { escapeAttribute, escapeText } from '../../xmpp/xml.ts';
import { clientNs } from './client-namespaces.ts';

/** Whether an element of the content namespace asks to bind a resource (RFC 6120 §7.6). */
export function isBindRequest({ name, childName, childNamespace }: ScannedElement): boolean {
  return name === 'iq' && childName === 'bind' && childNamespace === clientNs.bind;
}

/** The resource asked for, '' where the server is to make one; undefined where it cannot be one (§7.7.2.1). */
export function readBindRequest({ type, bytes }: ScannedElement): string | undefined {
  if (type !== 'set') return undefined;
  const resource = parse(bytes.toString()).getChild('bind')?.getChildText('resource') ?? '';
  return resource === '' || parseAddress(`domain/${resource}`) !== undefined ? resource : undefined;
}

/** The answer that names the full JID, as portable bytes. */
export function boundAnswer(id: string, jid: string): Buffer {
  const bound = `<bind xmlns='${clientNs.bind}'><jid>${escapeText(jid)}</jid></bind>`;
  return Buffer.from(`<iq type='result' id='${escapeAttribute(id)}'>${bound}</iq>`);
}

/** The answer that nothing is bound, as portable bytes. */
export function bindRefusal(id: string, type: 'modify' | 'wait', condition: string): Buffer {
  const error = `<error type='${type}'><${condition} xmlns='${ns.stanzaErrors}'/></error>`;
  return Buffer.from(`<iq type='error' id='${escapeAttribute(id)}'>${error}</iq>`);
}
