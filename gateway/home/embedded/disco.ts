import { hash } from 'node:crypto';
import { parse } from 'ltx';
import type { Stanza } from '../../bridge/stanza.ts';
import { escapeAttribute } from '../../xmpp/xml.ts';
import { im } from './im-namespaces.ts';
import type { IqHandlers, IqRequest } from './iq-request.ts';
import type { Rosters } from './roster.ts';
import { isSeen } from './subscription-states.ts';

interface Identity {
  readonly category: string;
  readonly type: string;
  readonly name: string;
}

interface Info {
  readonly identity: Identity;
  readonly features: readonly string[];
}

/** What the home's server is and can, XEP-0030 §3. */
const server: Info = {
  identity: { category: 'server', type: 'im', name: 'Drawbridge' },
  features: [im.discoInfo, im.discoItems, im.carbons, im.offline, im.ping, im.roster, im.vcard, im.version],
};

/** What an account answers itself, XEP-0030 §8. */
const account: Info = {
  identity: { category: 'account', type: 'registered', name: '' },
  features: [im.discoInfo, im.discoItems, im.vcard],
};

const CAPS_NODE = 'https://drawbridge.example/home';
const CAPS_HASH = capsHash(server);

/** The server's capabilities, for the features of its streams (XEP-0115 §6.3). */
export const serverCaps = `<c xmlns="${im.caps}" hash="sha-1" node="${CAPS_NODE}" ver="${CAPS_HASH}"/>`;

/** The verification string of an entity without forms, hashed: XEP-0115 §5.1. */
export function capsHash({ identity, features }: Info): string {
  const { category, type, name } = identity;
  const text = [`${category}/${type}//${name}`, ...[...features].sort()].map((part) => `${part}<`).join('');
  return hash('sha1', text, 'base64');
}

/** Service discovery (XEP-0030) of the server, and of users for themselves and those who see their presence. */
export function discoHandlers(rosters: Rosters): IqHandlers {
  const mayAsk = ({ about, user, asker }: IqRequest): boolean =>
    about !== 'other' || isSeen(rosters.item(user, asker).state);
  return {
    [`get ${im.discoInfo}`]: (request) => {
      const { about, stanza, answer, refuse } = request;
      const node = nodeOf(stanza);
      const known = node === '' || (about === 'server' && node === `${CAPS_NODE}#${CAPS_HASH}`);
      if (!mayAsk(request)) refuse('user-absent');
      else if (known) answer(infoXml(about === 'server' ? server : account, node));
      else refuse('item-unknown');
    },
    [`get ${im.discoItems}`]: (request) => {
      const { stanza, answer, refuse } = request;
      if (!mayAsk(request)) refuse('user-absent');
      else if (nodeOf(stanza) === '') answer(`<query xmlns="${im.discoItems}"/>`);
      else refuse('item-unknown');
    },
  };
}

function nodeOf({ bytes }: Stanza): string {
  const tree = parse(bytes.toString());
  return tree.children.find((child) => typeof child !== 'string')?.attrs.node ?? '';
}

function infoXml({ identity, features }: Info, node: string): string {
  const { category, type, name } = identity;
  const called = name === '' ? '' : ` name="${name}"`;
  const listed = features.map((feature) => `<feature var="${feature}"/>`).join('');
  const at = node === '' ? '' : ` node="${escapeAttribute(node)}"`;
  const who = `<identity category="${category}" type="${type}"${called}/>`;
  return `<query xmlns="${im.discoInfo}"${at}>${who}${listed}</query>`;
}
