import { z } from 'zod';
import { nearest } from '../nearest.ts';
import { type Measured, size, through } from '../units.ts';
import { localSelector } from './names.ts';

/** How much of a local user's presence a partner sees, from nothing to everything. */
export const shows = ['nothing', 'availability', 'status', 'full'] as const;
export type Show = (typeof shows)[number];

export const directions = ['both', 'inbound', 'outbound', 'none'] as const;
/** Which way something may cross: inbound is from the partner to us. */
export type Allowed = (typeof directions)[number];

/** Most presence rules of one policy: they are tried in order. */
const RULES = 1_000;
/** Most IQ namespaces of one policy. */
const NAMESPACES = 1_000;

/** Short names for the namespaces everybody means. */
export const iqAliases: Readonly<Record<string, readonly string[]>> = {
  ping: ['urn:xmpp:ping'],
  disco: ['http://jabber.org/protocol/disco#info', 'http://jabber.org/protocol/disco#items'],
  version: ['jabber:iq:version'],
};
export const iqDefault: readonly string[] = Object.keys(iqAliases);

/** Namespaces in use that are no URI, so that a bare word can be told from a misspelt alias. */
const BARE_NAMESPACES: readonly string[] = ['vcard-temp'];

export const presence = z
  .array(
    z.strictObject({
      local: localSelector.describe(
        'Whose presence: `*`, `user@domain`, `*@domain`, `domain` (its own address) or `group:name`.',
      ),
      show: z
        .enum(shows)
        .describe(
          'What the partner sees: `nothing`; `availability` (online or not); `status` (also away, busy and the status ' +
            'text); `full` (all of it).',
        ),
    }),
  )
  .max(RULES)
  .describe('Rules about presence and subscriptions, the first that names the local user decides. Silence is no.');

export const messages = z
  .strictObject({
    allow: z.enum(directions).describe('Which way messages may cross; inbound is from the partner to us.'),
    maxBytes: size('1B', '16MiB').prefault(262_144).describe('The largest message stanza, as it stands on the wire.'),
  })
  .describe('Messages. Without this section none cross.');

export const iq = z
  .strictObject({
    allow: z
      .array(z.string().min(1).max(1024).transform(through(readNamespace)))
      .max(NAMESPACES)
      .prefault([...iqDefault])
      .describe(
        'Requests that may cross, both ways: `ping`, `disco`, `version`, or a namespace such as `urn:xmpp:mam:2`.',
      ),
  })
  .describe('IQ requests by namespace. Without this section ping, disco and version cross; `{ allow: [] }` stops all.');

function readNamespace(text: string): Measured<readonly string[]> {
  const alias = Object.hasOwn(iqAliases, text) ? iqAliases[text] : undefined;
  if (alias !== undefined) return { value: alias };
  if (/\s/.test(text))
    return { problem: `\`${text}\` is no namespace`, remedy: 'write one namespace an entry, without spaces' };
  if (text.includes(':') || BARE_NAMESPACES.includes(text)) return { value: [text] };
  const meant = nearest(text, [...iqDefault, ...BARE_NAMESPACES]);
  return {
    problem: `\`${text}\` is no namespace${meant === undefined ? '' : `: did you mean \`${meant}\`?`}`,
    remedy: `write ${iqDefault.join(', ')}, or a whole namespace such as \`urn:xmpp:mam:2\``,
  };
}
