import { randomBytes } from 'node:crypto';
import { chmod, mkdir } from 'node:fs/promises';
import { loadTrust } from '../pki/trust.ts';
import { endpointText } from '../policies/address.ts';
import { Fault, type Place, systemText, withPlace } from '../policies/fault.ts';
import { findingText } from '../policies/finding.ts';
import { requirePolicies } from '../policies/folder.ts';
import { metricsRegistry } from './admin/metrics.ts';
import { AdminServer } from './admin/server.ts';
import { Bridge } from './bridge/bridge.ts';
import { type Config, type KeyPlaces, requireConfig } from './config/config.ts';
import { loadCertificates } from './credentials.ts';
import { Resolver } from './dns/resolver.ts';
import { routedEdge } from './edges.ts';
import { gatewayMetrics } from './gateway-metrics.ts';
import { edgeOptions, listenOn } from './gateway-options.ts';
import { openStore, outboxOptions } from './gateway-store.ts';
import { JournalLog } from './journal-log.ts';
import { type PlacedListener, placedListenFault } from './listen-fault.ts';
import { localHome } from './local-home.ts';
import { ProtocolChoice } from './protocol-choice.ts';
import { Reload } from './reload.ts';
import { SipParts } from './sip-stack.ts';
import { StreamSessions } from './store/stream-sessions.ts';
import { DialbackKeys } from './xmpp/dialback-key.ts';
import { type ListenOn, XmppEdge } from './xmpp/edge.ts';
import { CertificateProof } from './xmpp/evidence/certificate.ts';
import { OwnCertificates } from './xmpp/own-certificates.ts';
import { VolatileStreamSessions } from './xmpp/stream-sessions.ts';

/** What `run` prints when every listener accepts. Addresses are `host:port`, as bound. */
export interface ReadyLine {
  readonly event: 'ready';
  readonly pid: number;
  readonly xmpp: readonly string[];
  readonly directTls: readonly string[];
  /** Where the clients of an embedded home arrive. */
  readonly clients: readonly string[];
  readonly webSockets: readonly string[];
  /** Where SIP trunks arrive. */
  readonly sip: readonly string[];
  readonly admin: string | null;
  readonly partners: number;
}

export interface Gateway {
  readonly ready: ReadyLine;
  /**
   * Reads policies and certificates again: what is wrong is logged, and what was in force stays. Then opens the log
   * file anew; rejects with Fault `config-invalid` where that fails.
   */
  reload(): Promise<void>;
  /** Resolves where the gateway can keep nothing any more, and had better be started anew. */
  readonly broken: Promise<Fault>;
  /** Stops accepting, flushes, closes. */
  close(): Promise<void>;
}

/** Builds every part from the configuration and starts them in order. Rejects with a {@link Fault}. */
export async function startGateway(configFile: string): Promise<Gateway> {
  const { config, findings, place } = await requireConfig(configFile);
  const [policies, certificates, trust, secret, dialbackSecret] = await Promise.all([
    requirePolicies(config.policies, place('policies')),
    named(place('tls', 'certificates'), () => loadCertificates(config)),
    named(place('tls', 'trust'), () => loadTrust(config.tls.trust)),
    named(place('home', 'xmpp', 'secret'), () => linkSecret(config)),
    named(place('edges', 'xmpp', 'dialback', 'secret'), async () => config.edges.xmpp.dialback.secret?.reveal()),
    named(place('state'), () => makeState(config.state)),
  ]);

  const journal = await named(
    place('log', 'file'),
    async () => new JournalLog({ level: config.log.level, file: config.log.file, now: Date.now }),
  );
  const broken = Promise.withResolvers<Fault>();
  const { lock, store } = await named(place('state'), async () => openStore(config, journal, broken.resolve));
  const bridge = new Bridge({
    homeDomains: config.home.domains,
    policies,
    journal,
    now: Date.now,
    outbox: config.outbox.keep ? outboxOptions(config, store) : undefined,
  });
  const resolver = new Resolver({
    servers: config.dns.servers,
    dnssec: config.dns.dnssec === 'validate' ? 'off' : config.dns.dnssec,
    trusted: config.dns.trusted,
    timeoutMs: config.dns.timeout,
  });
  const sip = await named(place('edges', 'sip'), async () => {
    const section = config.edges.sip;
    return (
      section && new SipParts({ config, sip: section, policies, bridge, journal, resolver, certificates, trust, place })
    );
  }).catch((error: unknown) => {
    for (const part of [bridge, store, lock, resolver, journal]) part.close();
    throw error;
  });
  const own = new OwnCertificates(certificates, config.edges.xmpp.tls);
  const proof = new CertificateProof(trust, Date.now);
  const home = localHome({ config, policies, bridge, journal, store, certificates: own, secret });
  const edge = new XmppEdge({
    context: {
      host: bridge,
      journal,
      options: edgeOptions(config),
      certificates: own,
      proof,
      keys: new DialbackKeys(dialbackSecret ?? randomBytes(32).toString('hex')),
      streamSessions: config.outbox.keep ? new StreamSessions(store) : new VolatileStreamSessions(),
    },
    resolver,
    listen: listenOn(config),
    limits: config.edges.xmpp.limits,
    random: Math.random,
  });
  const choice = new ProtocolChoice({ resolver, now: Date.now });
  const admin = new AdminServer(metricsRegistry(gatewayMetrics({ journal, bridge, edge, sip, home, store })));
  const reload = new Reload({ config, journal, resolver, bridge, edge, sip, choice, home, own, proof });

  let closing: Promise<void> | undefined;
  const stop = async (): Promise<void> => {
    reload.close();
    await Promise.all([edge.cease(), sip?.cease()]);
    await home.close();
    await Promise.all([edge.close(), sip?.close()]);
    await admin.close();
    bridge.close();
    store.close();
    lock.close();
    resolver.close();
    journal.note('stopped', {});
    journal.close();
  };
  const close = (): Promise<void> => {
    closing ??= stop();
    return closing;
  };

  try {
    const partners = sip === undefined ? edge : routedEdge({ bridge, xmpp: edge, sip: sip.edge, choice });
    bridge.connect(partners, home.home);
    const adminAt = config.admin && (await admin.start(config.admin.listen.host, config.admin.listen.port));
    const bound = await edge.start();
    const trunks = (await sip?.start()) ?? [];
    // Last, for a new link may drive out the one that stands: whoever runs a second gateway fails on its listeners.
    const { clients, webSockets } = await home.start();
    bridge.start();
    const addresses = (tls: ListenOn['tls']): string[] => bound.filter((on) => on.tls === tls).map(endpointText);
    journal.note('started', { partners: policies.partners.length, findings: findings.map(findingText) });
    const ready: ReadyLine = {
      event: 'ready',
      pid: process.pid,
      xmpp: addresses('starttls'),
      directTls: addresses('direct'),
      clients: clients.map(endpointText),
      webSockets: webSockets.map(endpointText),
      sip: trunks.map(endpointText),
      admin: adminAt ? endpointText(adminAt) : null,
      partners: policies.partners.length,
    };
    return { ready, reload: () => reload.now(), broken: broken.promise, close };
  } catch (error) {
    await close();
    throw placedListenFault(error, placedListeners(config, place));
  }
}

/** Runs `use` of something that gateway.yaml names at `place`, which is where a fault without a place belongs. */
async function named<T>(place: Place, use: () => Promise<T>): Promise<T> {
  return use().catch((thrown: unknown) => {
    throw withPlace(thrown, place);
  });
}

async function linkSecret({ home }: Config): Promise<string> {
  return home.xmpp.link === 'component' ? home.xmpp.secret.reveal() : '';
}

async function makeState(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await chmod(folder, 0o700);
  } catch (cause) {
    const remedy = "name a folder that the gateway's user owns or may create";
    throw new Fault('config-invalid', `the state folder cannot be used: ${systemText(cause)}`, { remedy, cause });
  }
}

function placedListeners({ edges, home, admin }: Config, place: KeyPlaces): PlacedListener[] {
  const of = (kind: 'listen' | 'directTls') =>
    edges.xmpp[kind].map((address, index) => ({ address, place: place('edges', 'xmpp', kind, index) }));
  const ofAdmin = admin === undefined ? [] : [{ address: admin.listen, place: place('admin', 'listen') }];
  const link = home.xmpp;
  const ofClients = (kind: 'listen' | 'directTls' | 'webSocket' | 'proxiedWebSocket') =>
    link.link === 'component'
      ? []
      : link[kind].map((address, index) => ({ address, place: place('home', 'xmpp', kind, index) }));
  const ofSip = (kind: 'listen' | 'tcp') =>
    (edges.sip?.[kind] ?? []).map((address, index) => ({ address, place: place('edges', 'sip', kind, index) }));
  return [
    ...of('listen'),
    ...of('directTls'),
    ...(['listen', 'directTls', 'webSocket', 'proxiedWebSocket'] as const).flatMap(ofClients),
    ...(['listen', 'tcp'] as const).flatMap(ofSip),
    ...ofAdmin,
  ];
}
