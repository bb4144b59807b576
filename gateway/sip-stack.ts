import { createHash } from 'node:crypto';
import type { ServerCertificate } from '../pki/server-certificate.ts';
import type { TrustAnchors } from '../pki/trust.ts';
import { parseAddress } from '../policies/address.ts';
import { asFault } from '../policies/fault.ts';
import { PLAIN_TRUNK } from '../policies/schema/trunk.ts';
import type { PolicySet } from '../policies/set.ts';
import type { Bridge } from './bridge/bridge.ts';
import type { Evidence, TrustVerdict } from './bridge/ports.ts';
import { CallLimits } from './calls/call-limits.ts';
import { Calls } from './calls/calls.ts';
import { CallRouting } from './calls/routing.ts';
import type { Config, KeyPlaces } from './config/config.ts';
import type { Resolver } from './dns/resolver.ts';
import { jidOf } from './interwork/address.ts';
import type { JournalLog } from './journal-log.ts';
import { systemRandom } from './sip/dialog/random.ts';
import { DrachtioStack } from './sip/drachtio/stack.ts';
import { SipEdge } from './sip/messaging/sip-edge.ts';
import { systemClock } from './sip/transaction/clock.ts';
import { OwnSipStack } from './sip/trunk/stack.ts';
import type { TrunkOptions } from './sip/trunk/trunk-options.ts';
import { SipCertificates } from './sip-certificates.ts';
import { homeTrunkDomain, sipTrunks } from './sip-trunks.ts';

export interface SipPartsOptions {
  readonly config: Config;
  /** `edges.sip` of it. */
  readonly sip: NonNullable<Config['edges']['sip']>;
  readonly policies: PolicySet;
  readonly bridge: Bridge;
  readonly journal: JournalLog;
  readonly resolver: Resolver;
  readonly certificates: readonly ServerCertificate[];
  readonly trust: TrustAnchors;
  /** Where gateway.yaml names a key. */
  readonly place: KeyPlaces;
}

/** How long a call may ring, ms: beyond timer C of the proxies on its way (RFC 3261 §16.6), nobody will answer. */
const RING_MS = 180_000;
/** How long what is under way may take when we stop, ms. */
const STOP_MS = 3_000;
/** Longest name of this gateway in markers and Warning headers; a longer domain is told by its digest. */
const LONGEST_NAME = 64;

/** The SIP side of a gateway: the stack, the messages over it, and the calls. */
export class SipParts {
  readonly edge: SipEdge;
  readonly #stack: OwnSipStack | DrachtioStack;
  /** Undefined where a drachtio server has the connections. */
  readonly #own: OwnSipStack | undefined;
  readonly #calls: Calls | undefined;
  readonly #certificates: SipCertificates;
  readonly #config: Config;
  readonly #journal: JournalLog;

  /** Throws Fault `config-invalid`. It holds timers from now on: close it in any case. */
  constructor(options: SipPartsOptions) {
    const { config, sip, policies, bridge, journal } = options;
    this.#config = config;
    this.#journal = journal;
    this.#certificates = new SipCertificates(options.certificates, sip.tls.minVersion);
    const trunks = sipTrunks(config, policies);
    const trust: Trust = (domain, evidence) => bridge.trust(domain, evidence, 'sip');
    const { drachtio } = sip;
    if (drachtio !== undefined) this.#stack = drachtioStack(drachtio, { trunks, trust, journal }, options.place);
    else {
      this.#own = ownStack(options, { trunks, trust, certificates: this.#certificates });
      this.#stack = this.#own;
    }
    this.edge = new SipEdge({
      host: bridge,
      journal,
      stack: this.#stack,
      clock: systemClock,
      now: Date.now,
      options: { answerWithinMs: sip.answerWithin, queue: sip.limits.queue, name: gatewayName(config) },
      policyOf: (domain) => {
        const { sipsToXmpp, receipts, messageBytes } = bridge.policies.partnerOf(domain)?.trunk?.section ?? PLAIN_TRUNK;
        return { sipsToXmpp, receipts: receipts === 'imdn', messageBytes };
      },
      unique,
      random: Math.random,
    });
    this.#calls = config.home.sip === undefined ? undefined : this.#callsOf(config, bridge);
  }

  /** Opens the listeners; resolves with where they accept. Rejects with a Fault `listen-failed`. */
  start(): Promise<readonly { readonly host: string; readonly port: number }[]> {
    const { handlers } = this.edge;
    const calls = this.#calls;
    return this.#stack.start(calls === undefined ? handlers : { ...handlers, invite: (call) => calls.take(call) });
  }

  /** Takes up other policies: trunks that are gone lose their connections, the others are left alone. */
  policiesChanged(policies: PolicySet): void {
    try {
      this.#stack.setTrunks(sipTrunks(this.#config, policies));
      this.edge.renew();
      this.#calls?.policiesChanged();
    } catch (error) {
      const { code, message, remedy } = asFault(error);
      this.#journal.refuse('reload-failed', code, { detail: message, remedy });
    }
  }

  /** New certificates and anchors: they hold from the next handshake on. */
  credentialsChanged(certificates: readonly ServerCertificate[], anchors: TrustAnchors): void {
    this.#certificates.replace(certificates);
    this.#own?.replaceAnchors(anchors);
    this.edge.renew();
  }

  /** For metrics. */
  get load(): { connections: number; transactions: number; incoming: number; outgoing: number; calls: number } {
    const { flows, transactions } = this.#own?.counters ?? {};
    return {
      connections: (flows?.open.byUs ?? 0) + (flows?.open.byPeer ?? 0),
      transactions: (transactions?.client ?? 0) + (transactions?.server ?? 0),
      ...this.edge.load,
      calls: this.#calls?.size ?? 0,
    };
  }

  /** Trunks by id, and whether they work. */
  get trunks(): ReadonlyMap<string, boolean> {
    return new Map(this.#stack.trunks.map(({ id, state }) => [id, state === 'up']));
  }

  /** Takes nothing more from partners. Ours still goes out. */
  async cease(): Promise<void> {
    this.edge.cease();
    await this.#calls?.close();
  }

  /** Lets what is under way end, for a moment, and closes all connections. */
  async close(): Promise<void> {
    await this.cease();
    await this.edge.close();
    await this.#stack.drain(STOP_MS);
    await this.#stack.close();
  }

  #callsOf(config: Config, bridge: Bridge): Calls {
    const pbx = homeTrunkDomain(config);
    return new Calls({
      routing: new CallRouting({
        homeDomains: new Set(config.home.domains),
        policies: () => bridge.policies,
        homeTrunk: () => this.#stack.trunkFor(pbx),
        trunkFor: (domain) => this.#stack.trunkFor(domain),
        read: (uri, domain) => parseAddress(jidOf(uri, { numbersAt: domain }) ?? ''),
        now: Date.now,
      }),
      limits: new CallLimits(() => performance.now()),
      journal: this.#journal,
      clock: {
        now: () => performance.now(),
        after: (ms, run) => {
          const timer = setTimeout(run, ms);
          return () => clearTimeout(timer);
        },
      },
      ringMs: RING_MS,
      secure: ({ out }) => out.kind === 'partner' || config.home.sip?.tls === true,
    });
  }
}

type Trust = (domain: string, evidence: readonly Evidence[]) => TrustVerdict;

interface StackParts {
  readonly trunks: readonly TrunkOptions[];
  readonly trust: Trust;
}

/** The stack of our own, as gateway.yaml says. */
function ownStack(
  { sip, journal, resolver, trust: anchors }: SipPartsOptions,
  { trunks, trust, certificates }: StackParts & { readonly certificates: SipCertificates },
): OwnSipStack {
  const { limits } = sip;
  return new OwnSipStack({
    trunks,
    listen: [...sip.listen.map((on) => ({ ...on, tls: true })), ...sip.tcp.map((on) => ({ ...on, tls: false }))],
    resolver,
    anchors,
    trust,
    journal,
    secureContextFor: (name) => certificates.contextFor(name),
    minVersion: sip.tls.minVersion,
    limits: {
      flows: {
        connections: limits.connections,
        perAddress: limits.perAddress,
        // The start line is one more.
        headerLines: limits.headers + 1,
        bodyBytes: limits.messageBytes,
        firstMessageMs: limits.firstMessage,
        incompleteMs: limits.firstMessage,
        idleMs: limits.idle,
        connectMs: sip.connectTimeout,
      },
      transactions: { transactions: limits.transactions, perPeer: limits.perConnection },
    },
    keepAlive: { intervalMs: sip.keepAlive },
  });
}

/** The stack of a site whose SIP edge is a drachtio server. */
function drachtioStack(
  { secret, connectTimeout, ...server }: NonNullable<SipPartsOptions['sip']['drachtio']>,
  parts: StackParts & { readonly journal: JournalLog },
  place: KeyPlaces,
): DrachtioStack {
  return new DrachtioStack({
    ...parts,
    server: {
      ...server,
      peersProvenBy: server.peersProvenBy,
      secret: () => secret.reveal(),
      connectMs: connectTimeout,
      place: place('edges', 'sip', 'drachtio'),
    },
  });
}

/** The same on every node of a gateway: its first domain. */
function gatewayName({ home }: Config): string {
  const [domain = ''] = home.domains;
  if (domain.length <= LONGEST_NAME && /^[A-Za-z0-9._-]+$/.test(domain)) return domain;
  return createHash('sha256').update(domain).digest('hex');
}

function unique(): string {
  return systemRandom.token();
}
