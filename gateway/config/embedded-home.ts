import { z } from 'zod';
import { duration, size } from '../../policies/units.ts';
import { listenAddress } from './endpoint.ts';

/** Most addresses of one kind to listen on. */
const LISTENERS = 64;

const count = (most: number) => z.int().min(1).max(most);

/** What local users and those who try to become one may cost. */
const limits = z
  .strictObject({
    connections: count(1_000_000).default(10_000).describe('Client connections accepted at a time.'),
    perAddress: count(1_000_000).default(1_000).describe('Client connections accepted at a time from one IP address.'),
    stanzaBytes: size('10000B', '64MiB').prefault('256KiB').describe('The largest stanza of a client.'),
    authTimeout: duration('1s', '10min').prefault('30s').describe('How long a client may take to sign in.'),
    idle: duration('30s', '24h')
      .prefault('10min')
      .describe('Silence after which a client is asked whether it lives; it is closed where it does not answer.'),
    resumption: duration('1s', '24h')
      .prefault('10min')
      .describe('How long a client whose connection broke may resume its session (XEP-0198).'),
    lockout: z
      .strictObject({
        failures: count(1_000)
          .default(10)
          .describe('Failed attempts to sign in, of one account or from one IP address.'),
        period: duration('1s', '24h')
          .prefault('10min')
          .describe('Within how long they count, and how long nobody may try again.'),
      })
      .prefault({})
      .describe('When guessing of passwords ends.'),
    resources: count(1_000).default(20).describe('Clients that one user may have signed in at a time.'),
    roster: count(100_000)
      .default(5_000)
      .describe('Contacts of one user; requests that wait for an answer are bounded apart.'),
    offline: z
      .strictObject({
        messages: count(1_000_000)
          .default(1_000)
          .describe('Messages, of which one sender may have three in four. Further ones go back to their senders.'),
        bytes: size('64KiB', '1GiB').prefault('16MiB').describe('Bytes of these.'),
        age: duration('1min', '365d')
          .prefault('30d')
          .describe('How long one is kept before it goes back to its sender.'),
      })
      .prefault({})
      .describe('Messages that wait for one user to sign in.'),
  })
  .prefault({})
  .describe('What local users may cost the gateway.');

/** `home.xmpp` where the gateway serves the local users itself. */
export const embeddedHome = z.strictObject({
  link: z
    .literal('embedded')
    .describe(
      'The gateway serves the local users itself; `drawbridge user add` makes them. No other server is needed.',
    ),
  listen: z
    .array(listenAddress)
    .max(LISTENERS)
    .prefault(['127.0.0.1:5222'])
    .describe('Where clients are accepted, with STARTTLS.'),
  webSocket: z
    .array(listenAddress)
    .max(LISTENERS)
    .prefault([])
    .describe('Where clients are accepted over WebSocket within TLS (RFC 7395), at `/xmpp-websocket`.'),
  directTls: z
    .array(listenAddress)
    .max(LISTENERS)
    .prefault([])
    .describe('Where clients are accepted with TLS from the first byte (XEP-0368).'),
  proxiedWebSocket: z
    .array(listenAddress)
    .max(LISTENERS)
    .prefault([])
    .describe('Where a reverse proxy that has the TLS brings WebSocket clients in clear. On loopback only.'),
  tls: z
    .strictObject({
      required: z.boolean().default(true).describe('Whether a client without TLS is refused.'),
    })
    .prefault({})
    .describe('TLS of the clients.'),
  limits,
});
