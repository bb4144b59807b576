import { randomBytes } from 'node:crypto';
import { chmod, mkdir } from 'node:fs/promises';
import { loadServerCertificate, type ServerCertificate } from '../pki/server-certificate.ts';
import { loadTrust } from '../pki/trust.ts';
import { Fault } from '../policies/fault.ts';
import { type Finding, findingText } from '../policies/finding.ts';
import { loadPolicies } from '../policies/folder.ts';
import type { PolicySet } from '../policies/set.ts';
import { metricsRegistry } from './admin/metrics.ts';
import { AdminServer } from './admin/server.ts';
import { Bridge } from './bridge/bridge.ts';
import { type Config, loadConfig } from './config/config.ts';
import { FileWatch } from './config/file-watch.ts';
import { Resolver } from './dns/resolver.ts';
import { gatewayMetrics } from './gateway-metrics.ts';
import { ComponentHome } from './home/component-home.ts';
import { JournalLog } from './journal-log.ts';
import { DialbackKeys } from './xmpp/dialback-key.ts';
import { type ListenOn, XmppEdge } from './xmpp/edge.ts';
import type { XmppEdgeOptions } from './xmpp/edge-context.ts';
import { CertificateProof } from './xmpp/evidence/certificate.ts';
import { OwnCertificates } from './xmpp/own-certificates.ts';

/** What `run` prints when every listener accepts. Addresses are `host:port`, as bound. */
export interface ReadyLine {
  readonly event: 'ready';
  readonly pid: number;
  readonly xmpp: readonly string[];
  readonly directTls: readonly string[];
  readonly admin: string | null;
  readonly partners: number;
}

export interface Gateway {
  readonly ready: ReadyLine;
  /** Reads policies and certificates again. What is wrong is logged, and what was in force stays. */
  reload(): Promise<void>;
  /** Stops accepting, flushes, closes. */
  close(): Promise<void>;
}

/** Builds every part from the configuration and starts them in order. Rejects with a {@link Fault}. */
export async function startGateway(configFile: string): Promise<Gateway> {
  const config = await loadConfig(configFile);
  const [policies, certificates, trust, secret] = await Promise.all([
    requirePolicies(config.policies),
    loadCertificates(config),
    loadTrust(config.tls.trust),
    config.home.xmpp.secret.reveal(),
  ]);
  const dialbackSecret = (await config.edges.xmpp.dialback.secret?.reveal()) ?? randomBytes(32).toString('hex');
  await mkdir(config.state, { recursive: true, mode: 0o700 });
  await chmod(config.state, 0o700);

  const journal = new JournalLog({ level: config.log.level, file: config.log.file, now: Date.now });
  const bridge = new Bridge({ homeDomains: config.home.domains, policies, journal, now: Date.now });
  const resolver = new Resolver({
    servers: config.dns.servers,
    dnssec: config.dns.dnssec === 'validate' ? 'off' : config.dns.dnssec,
    trusted: config.dns.trusted,
    timeoutMs: config.dns.timeout,
  });
  const own = new OwnCertificates(certificates, config.edges.xmpp.tls);
  const proof = new CertificateProof(trust, Date.now);
  const home = new ComponentHome({
    host: bridge,
    journal,
    random: Math.random,
    options: homeOptions(config, secret, policies),
  });
  const edge = new XmppEdge({
    context: {
      host: bridge,
      journal,
      options: edgeOptions(config),
      certificates: own,
      proof,
      keys: new DialbackKeys(dialbackSecret),
    },
    resolver,
    listen: listenOn(config),
    limits: config.edges.xmpp.limits,
    random: Math.random,
  });
  bridge.connect(edge, home);

  const admin = new AdminServer(metricsRegistry(gatewayMetrics({ journal, bridge, edge, home })));
  const reload = async (): Promise<void> => {
    await reloadPolicies();
    await reloadCredentials();
    journal.reopen();
  };
  const reloadPolicies = async (): Promise<void> => {
    const { set, findings } = await loadPolicies(config.policies);
    if (set === undefined) {
      journal.refuse('reload-failed', 'policy-invalid', { findings: findings.map(findingText) });
      return;
    }
    bridge.replacePolicies(set);
    home.expect(partnerDomains(set));
    edge.reconsider();
    journal.note('reloaded', { what: 'policies', partners: set.partners.length, findings: findings.map(findingText) });
  };
  const reloadCredentials = async (): Promise<void> => {
    try {
      const [certificatesNow, trustNow] = [await loadCertificates(config), await loadTrust(config.tls.trust)];
      own.replace(certificatesNow);
      proof.replaceAnchors(trustNow);
      edge.credentialsChanged();
      journal.note('reloaded', {
        what: 'certificates',
        certificates: certificatesNow.map(({ fingerprint }) => fingerprint),
      });
    } catch (error) {
      const fault = error instanceof Fault ? error : new Fault('internal', String(error), { cause: error });
      journal.refuse('reload-failed', fault.code, { detail: fault.message, place: fault.place });
    }
  };
  const defect = (error: unknown): void => journal.defect(error);
  const watches = [
    new FileWatch({ folders: [config.policies] }, () => void reloadPolicies().catch(defect)),
    new FileWatch({ files: credentialFiles(config) }, () => void reloadCredentials().catch(defect)),
  ];

  let closing: Promise<void> | undefined;
  const stop = async (): Promise<void> => {
    for (const watch of watches) watch.close();
    await edge.close();
    await home.close();
    await admin.close();
    resolver.close();
    journal.close();
  };
  const close = (): Promise<void> => {
    closing ??= stop();
    return closing;
  };

  try {
    home.start();
    const bound = await edge.start();
    const adminAt = config.admin && (await admin.start(config.admin.listen.host, config.admin.listen.port));
    const addresses = (tls: ListenOn['tls']): string[] => bound.filter((on) => on.tls === tls).map(addressText);
    const ready: ReadyLine = {
      event: 'ready',
      pid: process.pid,
      xmpp: addresses('starttls'),
      directTls: addresses('direct'),
      admin: adminAt ? addressText(adminAt) : null,
      partners: policies.partners.length,
    };
    return { ready, reload, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Policies that have an error: the gateway does not start on them. */
export class PolicyFault extends Fault {
  readonly findings: readonly Finding[];

  constructor(findings: readonly Finding[]) {
    const first = findings.find(({ severity }) => severity === 'error') ?? findings[0];
    super('policy-invalid', first?.message, { place: first?.place, remedy: first?.remedy });
    this.name = 'PolicyFault';
    this.findings = findings;
  }
}

async function requirePolicies(folder: string): Promise<PolicySet> {
  const { set, findings } = await loadPolicies(folder);
  if (set === undefined) throw new PolicyFault(findings);
  return set;
}

function loadCertificates(config: Config): Promise<ServerCertificate[]> {
  return Promise.all(config.tls.certificates.map(({ cert, key }) => loadServerCertificate(cert, key)));
}

function credentialFiles(config: Config): string[] {
  const own = config.tls.certificates.flatMap(({ cert, key }) => [cert, key]);
  return [...own, ...config.tls.trust.filter((source) => source !== 'system')];
}

function partnerDomains(policies: PolicySet): string[] {
  return policies.partners.flatMap(({ exactDomains }) => exactDomains);
}

function homeOptions(config: Config, secret: string, policies: PolicySet) {
  const { xmpp } = config.home;
  const { limits, connectTimeout, keepAlive } = config.edges.xmpp;
  return {
    host: xmpp.host,
    port: xmpp.port,
    secret,
    homeDomain: config.home.domains[0] ?? '',
    domains: partnerDomains(policies),
    window: xmpp.window,
    scanner: { elementBytes: limits.stanzaBytes, depth: limits.depth, attributes: limits.attributes },
    connectTimeoutMs: connectTimeout,
    keepAliveMs: keepAlive,
    queue: { stanzas: limits.queue.stanzas, bytes: limits.queue.bytes, waitMs: xmpp.wait },
  };
}

function edgeOptions(config: Config): XmppEdgeOptions {
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

function listenOn(config: Config): ListenOn[] {
  const { listen, directTls } = config.edges.xmpp;
  return [
    ...listen.map((on) => ({ ...on, tls: 'starttls' as const })),
    ...directTls.map((on) => ({ ...on, tls: 'direct' as const })),
  ];
}

function addressText({ host, port }: { host: string; port: number }): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
