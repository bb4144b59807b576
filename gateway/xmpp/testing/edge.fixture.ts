import { X509Certificate } from 'node:crypto';
import { DnsServer, type ZoneRecord } from '../../../conformance/dns-server.ts';
import { identitiesOf } from '../../../pki/identity.ts';
import {
  type Authority,
  type CertificateOptions,
  createAuthority,
  issueCertificate,
  type KeyPair,
} from '../../../pki/issue.ts';
import type { ServerCertificate } from '../../../pki/server-certificate.ts';
import { derOf } from '../../../pki/testing/chains.ts';
import { trustFromPem } from '../../../pki/trust.ts';
import { fingerprint } from '../../../pki/verify.ts';
import type { ProofKind } from '../../../policies/trust.ts';
import { Resolver } from '../../dns/resolver.ts';
import { DialbackKeys } from '../dialback-key.ts';
import { XmppEdge } from '../edge.ts';
import type { EdgeContext, XmppEdgeOptions } from '../edge-context.ts';
import { CertificateProof } from '../evidence/certificate.ts';
import type { ListenerLimits } from '../listener.ts';
import { OwnCertificates } from '../own-certificates.ts';
import { VolatileStreamSessions } from '../stream-sessions.ts';
import { RecordingHost, RecordingJournal } from './recording.fixture.ts';

export const edgeOptions: XmppEdgeOptions = {
  scanner: { elementBytes: 262_144, depth: 32, attributes: 32 },
  unprovenBytes: 65_536,
  authTimeoutMs: 10_000,
  connectTimeoutMs: 10_000,
  idleMs: 600_000,
  keepAliveMs: 180_000,
  tlsRequired: true,
  bidi: true,
  queue: { stanzas: 1000, bytes: 1_000_000, waitMs: 60_000 },
};

export const openLimits: ListenerLimits = {
  connections: 1000,
  perAddress: 1000,
  attempts: { count: 10_000, periodMs: 60_000 },
};

export interface TestEdgeOptions {
  /** Home domains; the first is the one that certificates and DNS are made for unless said otherwise. */
  readonly domains: readonly string[];
  readonly tls?: 'starttls' | 'direct';
  /** Proofs it accepts of its partners; any suffices. Default: certificate. */
  readonly accepts?: readonly ProofKind[];
  readonly options?: Partial<XmppEdgeOptions>;
  readonly limits?: Partial<ListenerLimits>;
  /** Default: one of the net's authority for all domains. */
  readonly certificate?: KeyPair;
  /** Whether the home domains answer pings. Default true. */
  readonly answersPings?: boolean;
  /** Uniform in [0, 1). */
  readonly random?: () => number;
  /** What it remembers of resumable streams; default: nothing yet. */
  readonly streamSessions?: VolatileStreamSessions;
}

/** An edge on loopback between the network and a middle that records. */
export interface TestEdge {
  readonly edge: XmppEdge;
  readonly host: RecordingHost;
  readonly journal: RecordingJournal;
  readonly context: EdgeContext;
  readonly own: OwnCertificates;
  readonly port: number;
  /** What its certificates are judged by, ms since the epoch. */
  readonly clock: { now: number };
}

/** One authority, one DNS server, and the edges that live by them. */
export class TestNet {
  readonly dns: DnsServer;
  readonly authority: Authority;
  readonly #edges: XmppEdge[] = [];
  readonly #resolvers: Resolver[] = [];

  static async start(): Promise<TestNet> {
    const [dns, authority] = await Promise.all([new DnsServer().start(), createAuthority({ name: 'Test authority' })]);
    return new TestNet(dns, authority);
  }

  private constructor(dns: DnsServer, authority: Authority) {
    this.dns = dns;
    this.authority = authority;
  }

  issue(options: CertificateOptions): Promise<KeyPair> {
    return issueCertificate(this.authority, options);
  }

  async edge(wanted: TestEdgeOptions): Promise<TestEdge> {
    const { domains, tls = 'starttls' } = wanted;
    const certificate = wanted.certificate ?? (await this.issue({ domains }));
    const host = new RecordingHost(domains, wanted.accepts ?? ['certificate']);
    const journal = new RecordingJournal(host.watch);
    const clock = { now: Date.now() };
    const streamSessions = wanted.streamSessions ?? new VolatileStreamSessions();
    const own = new OwnCertificates([presentable(certificate)], { minVersion: 'TLSv1.2' });
    const context: EdgeContext = {
      host,
      journal,
      options: { ...edgeOptions, ...wanted.options },
      certificates: own,
      proof: new CertificateProof(trustFromPem([this.authority.certificatePem]), () => clock.now),
      keys: new DialbackKeys(`secret of ${domains[0]}`),
      streamSessions,
    };
    const resolver = this.resolver();
    const edge = new XmppEdge({
      context,
      resolver,
      listen: [{ host: '127.0.0.1', port: 0, tls }],
      limits: { ...openLimits, ...wanted.limits },
      random: wanted.random ?? (() => 0),
    });
    this.#edges.push(edge);
    if (wanted.answersPings !== false) host.answer = (home, partner, pong) => edge.send(home, partner, pong);
    const [bound] = await edge.start();
    if (bound === undefined) throw new Error('no listener');
    for (const domain of domains) this.publish(domain, bound.port, tls);
    return { edge, host, journal, context, own, port: bound.port, clock };
  }

  /** Names a server of a domain in DNS, in place of others. */
  publish(domain: string, port: number, tls: 'starttls' | 'direct' = 'starttls'): void {
    const service = tls === 'direct' ? '_xmpps-server' : '_xmpp-server';
    const name = `${service}._tcp.${domain}`;
    this.dns.remove(name);
    this.dns.add({
      name,
      type: 'SRV',
      ttl: 0,
      data: { priority: 0, weight: 0, port, target: '127.0.0.1' },
    } satisfies ZoneRecord);
  }

  resolver(): Resolver {
    const resolver = new Resolver({ servers: [this.dns.address], dnssec: 'off' });
    this.#resolvers.push(resolver);
    return resolver;
  }

  async close(): Promise<void> {
    await Promise.all(this.#edges.map((edge) => edge.close()));
    for (const resolver of this.#resolvers) resolver.close();
    await this.dns.close();
  }
}

/** A certificate as the gateway loads it from its files. */
export function presentable(pair: KeyPair): ServerCertificate {
  const der = derOf(pair);
  return {
    certPem: pair.certificatePem,
    keyPem: pair.keyPem,
    identities: identitiesOf(der),
    notAfter: new X509Certificate(der).validToDate,
    fingerprint: fingerprint(der),
  };
}
