import type { Place } from '../../../policies/fault.ts';
import type { PartnerPolicy, TrunkSection } from '../../../policies/partner.ts';
import { PLAIN_TRUNK } from '../../../policies/schema/trunk.ts';
import { hostText } from './named-server.ts';

/** What a trunk comes to, key by key, and the line that says so; undefined where a default does. */
export function trunkClauses({ name, speaks, trunk }: PartnerPolicy): { text: string; place: Place | undefined }[] {
  const section = trunk?.section ?? PLAIN_TRUNK;
  const clauses = sentences(name, section).map(([key, text]) => {
    const place = trunk?.rules.get(key);
    return { text: place === undefined ? `${text} (by default)` : text, place };
  });
  const idle = { text: 'not taken: the partner speaks XMPP only', place: trunk?.place };
  return speaks === 'xmpp' ? [idle, ...clauses] : clauses;
}

function sentences(name: string, section: TrunkSection): (readonly [keyof TrunkSection, string])[] {
  const { hosts, addresses, as, allowWildcardCertificate, ping, credentials, receipts, messageBytes } = section;
  const password = credentials && 'env' in credentials.password ? 'the environment' : 'a file';
  return [
    [
      'hosts',
      hosts === undefined ? 'its servers: as DNS tells (RFC 3263)' : `its servers: ${list(hosts.map(hostText))}`,
    ],
    ['addresses', `its connections come from ${addresses === undefined ? 'anywhere' : `${list(addresses)} only`}`],
    ['as', `we are ${as ?? 'the first home domain'} to it`],
    [
      'allowWildcardCertificate',
      allowWildcardCertificate
        ? `its certificate names ${name}, or it by a wildcard`
        : `its certificate names ${name} itself: no wildcard counts`,
    ],
    ['ping', `asked whether it lives every ${ping === undefined ? '`edges.sip.keepAlive`' : seconds(ping)}`],
    [
      'credentials',
      credentials === undefined
        ? 'asked for a password, we have none'
        : `asked for a password, we are ${credentials.username}, with one from ${password}`,
    ],
    ['messageBytes', `a MESSAGE of at most ${messageBytes} bytes as a whole`],
    ['receipts', receipts === 'imdn' ? 'delivery receipts cross as IMDN (RFC 5438)' : 'no delivery receipts cross'],
    [
      'sipsToXmpp',
      section.sipsToXmpp ? 'messages to sips: addresses cross' : 'messages to sips: addresses do not cross',
    ],
  ];
}

/** Addresses told of one list. */
const TOLD = 5;

function list(names: readonly string[]): string {
  const more = names.length > TOLD ? `, … (${names.length})` : '';
  return `${names.slice(0, TOLD).join(', ')}${more}`;
}

function seconds(ms: number): string {
  return ms % 60_000 === 0 ? `${ms / 60_000} min` : `${ms / 1_000} s`;
}
