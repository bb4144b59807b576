import { randomBytes } from 'node:crypto';
import type { ServerCertificate } from '../../../pki/server-certificate.ts';
import { loadTrust, type TrustAnchors } from '../../../pki/trust.ts';
import { withPlace } from '../../../policies/fault.ts';
import type { Journal } from '../../bridge/journal.ts';
import type { EdgeHost } from '../../bridge/ports.ts';
import { loadCertificates } from '../../credentials.ts';
import { Resolver } from '../../dns/resolver.ts';
import { edgeOptions } from '../../gateway-options.ts';
import type { EdgeContext, XmppEdgeOptions } from '../../xmpp/edge-context.ts';
import { CertificateProof } from '../../xmpp/evidence/certificate.ts';
import { OwnCertificates } from '../../xmpp/own-certificates.ts';
import { VolatileStreamSessions } from '../../xmpp/stream-sessions.ts';
import type { Checked } from '../check/checked.ts';
import { NotedKeys } from './noted-keys.ts';

/** What a probe leans on: the same certificates, trust, DNS and dialback secret as the gateway of this configuration. */
export interface ProbeContext extends Disposable {
  /** The home domains. */
  readonly home: readonly string[];
  readonly options: XmppEdgeOptions;
  readonly resolver: Resolver;
  readonly anchors: TrustAnchors;
  /** Ours. */
  readonly certificates: readonly ServerCertificate[];
  /** Whether a dialback key made here is one that the running gateway owns. */
  readonly sharesDialback: boolean;
  /** What one stream leans on. */
  edge(host: EdgeHost, journal: Journal): EdgeContext & { readonly keys: NotedKeys };
}

/** Builds a {@link ProbeContext}. Rejects with a Fault where something that the configuration names cannot be used. */
export async function probeContext({ config, place }: Checked): Promise<ProbeContext> {
  const named = <T>(promise: Promise<T>, ...path: readonly string[]): Promise<T> =>
    promise.catch((thrown: unknown) => {
      throw withPlace(thrown, place(...path));
    });
  const { secret } = config.edges.xmpp.dialback;
  const [certificates, anchors, dialback] = await Promise.all([
    named(loadCertificates(config), 'tls', 'certificates'),
    named(loadTrust(config.tls.trust), 'tls', 'trust'),
    named(Promise.resolve(secret?.reveal()), 'edges', 'xmpp', 'dialback', 'secret'),
  ]);
  const resolver = new Resolver({
    servers: config.dns.servers,
    dnssec: config.dns.dnssec === 'trust-ad' ? 'trust-ad' : 'off',
    trusted: config.dns.trusted,
    timeoutMs: config.dns.timeout,
  });
  const own = new OwnCertificates(certificates, config.edges.xmpp.tls);
  const proof = new CertificateProof(anchors, Date.now);
  const phrase = dialback ?? randomBytes(32).toString('hex');
  const options = edgeOptions(config);
  const streamSessions = new VolatileStreamSessions();
  return {
    home: config.home.domains,
    options,
    resolver,
    anchors,
    certificates,
    sharesDialback: dialback !== undefined,
    edge: (host, journal) => {
      return { host, journal, options, certificates: own, proof, keys: new NotedKeys(phrase), streamSessions };
    },
    [Symbol.dispose]: () => resolver.close(),
  };
}
