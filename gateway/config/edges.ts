import { z } from 'zod';
import { duration, rate, size } from '../../policies/units.ts';
import { listenAddress } from './endpoint.ts';
import { secret } from './secret.ts';
import { sipEdge } from './sip.ts';

/** Most addresses of one kind to listen on. */
const LISTENERS = 64;

const count = (most: number) => z.int().min(1).max(most);

/** What strangers and partners may cost (XEP-0205); partners' own limits stand in their policies. */
const limits = z
  .strictObject({
    connections: count(1_000_000).default(10_000).describe('Connections accepted at a time.'),
    perAddress: count(1_000_000).default(200).describe('Connections accepted at a time from one IP address.'),
    attempts: rate.prefault('600/min').describe('Connections accepted from one IP address in a period.'),
    stanzaBytes: size('10000B', '64MiB')
      .prefault(524_288)
      .describe('The largest stanza; RFC 6120 §13.12 demands at least 10000.'),
    unprovenBytes: size('4KiB', '1MiB').prefault(65_536).describe('Bytes read of a stream before its peer is proven.'),
    depth: count(1_000).default(64).describe('How deep elements of a stanza may nest.'),
    attributes: count(1_000).default(64).describe('Attributes of one element.'),
    authTimeout: duration('1s', '10min').prefault('30s').describe('How long a peer may take to be proven.'),
    idle: duration('30s', '24h').prefault('10min').describe('How long a stream may carry nothing before it is closed.'),
    queue: z
      .strictObject({
        stanzas: count(1_000_000).default(10_000).describe('Stanzas waiting.'),
        bytes: size('64KiB', '1GiB').prefault('16MiB').describe('Bytes waiting.'),
        wait: duration('1s', '1h').prefault('2min').describe("How long a stanza may wait for the partner's stream."),
      })
      .prefault({})
      .describe('The outbound queue of each pair of a local and a partner domain.'),
  })
  .prefault({})
  .describe('What connections may cost the gateway.');

const xmpp = (base: string) =>
  z
    .strictObject({
      listen: z
        .array(listenAddress)
        .max(LISTENERS)
        .prefault(['0.0.0.0:5269'])
        .describe('Where server-to-server streams are accepted, with STARTTLS.'),
      directTls: z
        .array(listenAddress)
        .max(LISTENERS)
        .prefault([])
        .describe('Where they are accepted with TLS from the first byte (XEP-0368).'),
      limits,
      tls: z
        .strictObject({
          required: z.boolean().default(true).describe('Whether a stream without TLS is refused.'),
          minVersion: z.enum(['TLSv1.2', 'TLSv1.3']).default('TLSv1.2').describe('The oldest TLS version spoken.'),
        })
        .prefault({})
        .describe('TLS of the streams.'),
      dialback: z
        .strictObject({
          secret: secret(base)
            .optional()
            .describe(
              'What dialback keys derive from (XEP-0185); the same on every node. Without it one is made up at start.',
            ),
        })
        .prefault({})
        .describe('Dialback (XEP-0220).'),
      bidi: z.boolean().default(true).describe('Whether one stream may carry both directions (XEP-0288).'),
      keepAlive: duration('10s', '1h')
        .prefault('3min')
        .describe('Silence after which a peer is asked whether it lives.'),
      connectTimeout: duration('1s', '5min').prefault('20s').describe('How long connecting to one address may take.'),
    })
    .describe('Server-to-server XMPP.');

/** Where the outside arrives. */
export const edges = (base: string) =>
  z
    .strictObject({
      xmpp: xmpp(base),
      sip: sipEdge(base).optional(),
    })
    .describe('Where the outside arrives.');
