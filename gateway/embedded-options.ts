import manifest from '../package.json' with { type: 'json' };
import type { Config, EmbeddedLink } from './config/config.ts';
import type { ClientListenOn } from './home/embedded/client-edge.ts';
import type { EmbeddedHomeOptions } from './home/embedded/embedded-home.ts';

/** Bytes of one vCard: a photo as clients scale it, and some more. */
const VCARD_BYTES = 512 * 1024;
/** Of the store, so many senders could fill it together with what waits for users: one alone must not stop everybody. */
const SENDERS = 8;
/** What one client may leave unacknowledged before its session ends, in stanzas and bytes: a phone's night without network. */
const QUEUE = { stanzas: 10_000, bytes: 16 * 1024 * 1024 } as const;

/**
 * What the embedded home is made with, from the configuration: ms, bytes, counts. Nothing is served at a domain below
 * another that is not `inhabited` by any account, such as one for chat rooms.
 */
export function embeddedOptions(
  config: Config,
  link: EmbeddedLink,
  inhabited: ReadonlySet<string>,
): EmbeddedHomeOptions {
  const { limits, tls } = link;
  const { depth, attributes, unprovenBytes, attempts } = config.edges.xmpp.limits;
  const { failures, period } = limits.lockout;
  const { domains } = config.home;
  const below = (domain: string): boolean => domains.some((other) => domain.endsWith(`.${other}`));
  const unserved = domains.filter((domain) => below(domain) && !inhabited.has(domain));
  return {
    users: {
      domains: domains.filter((domain) => !unserved.includes(domain)),
      unserved,
      mailbox: { ...limits.offline, senderBytes: Math.floor(config.store.bytes / SENDERS) },
      contacts: limits.roster,
      vcardBytes: Math.min(VCARD_BYTES, limits.stanzaBytes),
      version: manifest.version,
    },
    clients: {
      scanner: { elementBytes: limits.stanzaBytes, depth, attributes },
      unprovenBytes,
      authTimeoutMs: limits.authTimeout,
      idleMs: limits.idle,
      resumptionMs: limits.resumption,
      tlsRequired: tls.required,
      resources: limits.resources,
      lockOut: { perAccount: failures, perAddress: failures * OFFICE, periodMs: period },
      queue: QUEUE,
    },
    listen: clientListenOn(link),
    connections: { connections: limits.connections, perAddress: limits.perAddress, attempts },
  };
}

/** One address may be a whole office behind its router: so many accounts' worth of mistakes. */
const OFFICE = 10;

function clientListenOn({ listen, directTls, webSocket, proxiedWebSocket }: EmbeddedLink): ClientListenOn[] {
  return [
    ...listen.map((on) => ({ ...on, over: 'starttls' as const })),
    ...directTls.map((on) => ({ ...on, over: 'direct' as const })),
    ...webSocket.map((on) => ({ ...on, over: 'websocket' as const })),
    ...proxiedWebSocket.map((on) => ({ ...on, over: 'websocket-clear' as const })),
  ];
}
