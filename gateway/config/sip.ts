import { z } from 'zod';
import { domain } from '../../policies/schema/names.ts';
import { network } from '../../policies/schema/trunk.ts';
import { duration, size } from '../../policies/units.ts';
import { drachtio } from './drachtio.ts';
import { host, listenAddress, port } from './endpoint.ts';

/** Most addresses of one kind to listen on. */
const LISTENERS = 64;
/** Most addresses of a PBX. */
const ADDRESSES = 64;

const count = (most: number) => z.int().min(1).max(most);

const listeners = z.array(listenAddress).max(LISTENERS);

/** What strangers and partners may cost; partners' own limits stand in their policies. */
const limits = z
  .strictObject({
    connections: count(1_000_000).default(2_000).describe('Connections accepted at a time.'),
    perAddress: count(1_000_000).default(100).describe('Connections accepted at a time from one IP address.'),
    messageBytes: size('4KiB', '16MiB').prefault('256KiB').describe('The largest body of a SIP message.'),
    headers: count(256).default(64).describe('Header fields of a SIP message.'),
    transactions: count(1_000_000).default(50_000).describe('Transactions under way; past them 503.'),
    perConnection: count(1_000_000).default(20_000).describe('Transactions under way of one peer; past them 503.'),
    firstMessage: duration('1s', '10min')
      .prefault('10s')
      .describe('How long a peer may take from connecting to its first message, and with each message.'),
    idle: duration('30s', '24h')
      .prefault('10min')
      .describe('How long a connection may carry nothing before it is closed.'),
    queue: z
      .strictObject({
        messages: count(1_000_000).default(1_000).describe('Messages waiting or under way.'),
        bytes: size('64KiB', '1GiB').prefault('4MiB').describe('Bytes of these.'),
        parallel: count(10_000)
          .default(100)
          .describe('Conversations with a message under way; of each conversation there is one (RFC 3428 §8).'),
      })
      .prefault({})
      .describe('What is on its way to a partner, for each pair of a local and a partner domain.'),
  })
  .prefault({})
  .describe('What connections may cost the gateway.');

/** SIP trunks of partners, and where they arrive. */
export const sipEdge = (base: string) =>
  z
    .strictObject({
      listen: listeners.prefault([]).describe('Where trunks are accepted, over TLS; usually `"0.0.0.0:5061"`.'),
      tcp: listeners
        .prefault([])
        .describe('Where the home PBX is accepted without TLS, and nobody else; keep it on loopback.'),
      tls: z
        .strictObject({
          minVersion: z.enum(['TLSv1.2', 'TLSv1.3']).default('TLSv1.2').describe('The oldest TLS version spoken.'),
        })
        .prefault({})
        .describe('TLS of the trunks.'),
      limits,
      keepAlive: duration('10s', '1h')
        .prefault('30s')
        .describe('Silence after which a peer is asked whether it lives: CRLF on connections, OPTIONS on trunks.'),
      connectTimeout: duration('1s', '1min').prefault('10s').describe('How long connecting to one server may take.'),
      answerWithin: duration('100ms', '30s')
        .prefault('5s')
        .describe(
          'How long a MESSAGE may wait for the home before it is answered with 202, accepted for later delivery.',
        ),
      drachtio: drachtio(base).optional(),
    })
    .describe('SIP trunks. Without this section there are none.');

/** The trunk to a local PBX. */
export const sipHome = z
  .strictObject({
    host: host.describe('Where the PBX is.'),
    port: port.optional().describe('Its port; without this key 5061 with TLS and 5060 without.'),
    tls: z.boolean().default(true).describe('Whether it is spoken to over TLS.'),
    domain: domain
      .optional()
      .describe('What its certificate and its addresses name it by. Without this key the first home domain.'),
    addresses: z
      .array(network)
      .min(1)
      .max(ADDRESSES)
      .optional()
      .describe(
        'IP addresses it connects from: without TLS they are all that tells who it is. Without this key `host`, where ' +
          'that is an IP address.',
      ),
  })
  .describe('The trunk to a local PBX, for calls.');
