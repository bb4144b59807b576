import type { PolicySet } from '../policies/set.ts';
import type { ComponentLink, Config } from './config/config.ts';
import type { ComponentHomeOptions } from './home/component-home.ts';
import type { ComponentOptions } from './home/component-stream.ts';
import type { ListenOn } from './xmpp/edge.ts';
import type { XmppEdgeOptions } from './xmpp/edge-context.ts';

/**
 * How much longer than a stanza is what the home server makes of it, such as the error that mirrors its id: a quote
 * becomes `&quot;`. The link of a partner must not end over it; what is too big for the partner is bounced behind it.
 */
const HOME_GROWTH = 8;

/** Files whose change means other credentials. */
export function credentialFiles(config: Config): string[] {
  const own = config.tls.certificates.flatMap(({ cert, key }) => [cert, key]);
  return [...own, ...config.tls.trust.filter((source) => source !== 'system')];
}

/** Partner domains that need a link of their own to the home server. */
export function partnerDomains(policies: PolicySet): string[] {
  return policies.partners.flatMap(({ exactDomains }) => exactDomains);
}

/** The link to the home server, of a configuration that has one. */
export function componentLink({ home }: Config): ComponentLink {
  if (home.xmpp.link === 'component') return home.xmpp;
  throw new TypeError('the home is embedded');
}

/** What every component link has in common. */
export function linkOptions(config: Config, secret: string): Omit<ComponentOptions, 'domain'> {
  const { host, port, window } = componentLink(config);
  const { limits, connectTimeout, keepAlive } = config.edges.xmpp;
  return {
    host,
    port,
    secret,
    homeDomain: config.home.domains[0] ?? '',
    window,
    scanner: { elementBytes: limits.stanzaBytes * HOME_GROWTH, depth: limits.depth, attributes: limits.attributes },
    connectTimeoutMs: connectTimeout,
    keepAliveMs: keepAlive,
  };
}

export function homeOptions(config: Config, secret: string, policies: PolicySet): ComponentHomeOptions {
  const { queue } = config.edges.xmpp.limits;
  return {
    ...linkOptions(config, secret),
    domains: partnerDomains(policies),
    queue: { stanzas: queue.stanzas, bytes: queue.bytes, waitMs: componentLink(config).wait },
  };
}

export function edgeOptions(config: Config): XmppEdgeOptions {
  const { limits, tls, bidi, keepAlive, connectTimeout } = config.edges.xmpp;
  return {
    scanner: { elementBytes: limits.stanzaBytes, depth: limits.depth, attributes: limits.attributes },
    unprovenBytes: limits.unprovenBytes,
    authTimeoutMs: limits.authTimeout,
    connectTimeoutMs: connectTimeout,
    idleMs: limits.idle,
    keepAliveMs: keepAlive,
    tlsRequired: tls.required,
    bidi,
    queue: { stanzas: limits.queue.stanzas, bytes: limits.queue.bytes, waitMs: limits.queue.wait },
  };
}

export function listenOn(config: Config): ListenOn[] {
  const { listen, directTls } = config.edges.xmpp;
  return [
    ...listen.map((on) => ({ ...on, tls: 'starttls' as const })),
    ...directTls.map((on) => ({ ...on, tls: 'direct' as const })),
  ];
}
