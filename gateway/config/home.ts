import { z } from 'zod';
import { domain } from '../../policies/schema/names.ts';
import { duration } from '../../policies/units.ts';
import { embeddedHome } from './embedded-home.ts';
import { host, port } from './endpoint.ts';
import { secret } from './secret.ts';
import { sipHome } from './sip.ts';

/** Most home domains: each is looked up on every stanza and announced to every partner. */
const DOMAINS = 1_000;

const component = (base: string) =>
  z.strictObject({
    link: z.literal('component').describe('A local XMPP server takes the partners as XEP-0114 components.'),
    host: host.prefault('127.0.0.1').describe('Where the local server accepts components.'),
    port: port.default(5347).describe('Its component port.'),
    secret: secret(base).describe('The secret of the components, the same in the local server.'),
    wait: duration('1s', '1h').prefault('30s').describe('How long a stanza may wait for the home server to be there.'),
    window: z
      .int()
      .min(1)
      .max(100_000)
      .default(5_000)
      .describe('Stanzas under way to the home server, per link, that it has not acknowledged.'),
  });

/** The local side. */
export const home = (base: string) =>
  z
    .strictObject({
      domains: z.array(domain).min(1).max(DOMAINS).describe('The local domains, chat and conference domains alike.'),
      xmpp: z
        .discriminatedUnion('link', [component(base), embeddedHome])
        .describe(
          'The local XMPP server: the link to one, or the embedded one. `link` says which, and has keys of its own.',
        ),
      sip: sipHome.optional(),
    })
    .describe('The local side: the domains and the server behind the gateway.');
