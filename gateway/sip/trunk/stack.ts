import type { SecureContext } from 'node:tls';
import { inspect } from 'node:util';
import { identitiesOf } from '../../../pki/identity.ts';
import { sipIdentities } from '../../../pki/sip-identity.ts';
import type { TrustAnchors } from '../../../pki/trust.ts';
import { foldDomain } from '../../../policies/address.ts';
import { Fault } from '../../../policies/fault.ts';
import type { ReasonCode } from '../../../policies/reasons.ts';
import type { Journal } from '../../bridge/journal.ts';
import type { Evidence, TrustVerdict } from '../../bridge/ports.ts';
import type { Resolver } from '../../dns/resolver.ts';
import type { DialogLimits } from '../dialog/core.ts';
import { DigestClient } from '../dialog/digest.ts';
import type { Outbound } from '../dialog/outbound.ts';
import { type Random, systemRandom } from '../dialog/random.ts';
import { UserAgent } from '../dialog/user-agent.ts';
import type { Answer, SipHandlers, SipStack, Trunk } from '../port.ts';
import type { TransactionLimits } from '../transaction/admission.ts';
import { type Clock, systemClock } from '../transaction/clock.ts';
import type { ServerTransaction } from '../transaction/transaction.ts';
import { Transactions } from '../transaction/transactions.ts';
import type { Ending } from '../transport/ending.ts';
import type { Endpoint, Flow } from '../transport/flow.ts';
import type { FlowCounters } from '../transport/flow-count.ts';
import { Flows, type FlowsOptions } from '../transport/flows.ts';
import type { Refusal } from '../transport/gate.ts';
import { DomainCertificate } from './domain-certificate.ts';
import { type Advertised, OwnNames } from './own-names.ts';
import { OwnTrunk, type TrunkGround } from './trunk.ts';
import type { TrunkOptions } from './trunk-options.ts';
import { TrunkTable } from './trunk-table.ts';

export interface OwnSipStackOptions {
  readonly trunks: readonly TrunkOptions[];
  /** Where trunks arrive. Without TLS only addresses of home trunks are admitted. */
  readonly listen: readonly (Endpoint & { readonly tls: boolean })[];
  readonly resolver: Resolver;
  readonly anchors: TrustAnchors;
  /** Whether this evidence suffices for this partner domain: its policy decides. */
  trust(domain: string, evidence: readonly Evidence[]): TrustVerdict;
  readonly journal: Journal;
  /** Our certificate by domain of ours, '' for a peer without SNI; asked at each handshake. Made by `trunkContext`. */
  secureContextFor(name: string): SecureContext | undefined;
  /** The oldest TLS version that peers may connect with; default TLSv1.2. That of our connections is in their contexts. */
  readonly minVersion?: FlowsOptions['minVersion'];
  /** How peers reach us, where that is not what the trunk's `localDomain` leads to. */
  readonly advertise?: Advertised | undefined;
  readonly limits?: {
    readonly flows?: FlowsOptions['limits'];
    readonly transactions?: Partial<TransactionLimits>;
    readonly dialogs?: Partial<DialogLimits>;
  };
  readonly keepAlive?: FlowsOptions['keepAlive'];
  readonly overload?: FlowsOptions['overload'];
  readonly clock?: Clock | undefined;
  readonly random?: Random | undefined;
  /** What certificates are judged by, ms since the epoch. */
  readonly now?: (() => number) | undefined;
}

/** Server transactions in all: 5 KB each at most; and of one peer. */
const TRANSACTIONS: TransactionLimits = { transactions: 50_000, perPeer: 20_000 };
/** How often draining looks whether it is over, ms. */
const DRAIN_LOOK_MS = 50;
/** Endings that an operator should hear of: what the peer did that it should not, or did not do. */
const CUT: Readonly<Partial<Record<Ending, ReasonCode>>> = {
  malformed: 'sip-malformed',
  'too-big': 'sip-too-big',
  'no-message': 'stream-timeout',
  incomplete: 'stream-timeout',
  'no-pong': 'stream-idle',
  'keep-alive-flood': 'sip-malformed',
  backlog: 'queue-full',
  memory: 'queue-full',
  internal: 'internal',
};
/** Identities of a peer in one line of the log. */
const SHOWN = 5;
const REFUSALS: Readonly<Record<Refusal, ReasonCode>> = {
  full: 'connections-full',
  'address-full': 'connections-full',
  'too-many-attempts': 'connections-full',
  'address-not-admitted': 'trunk-address-denied',
  'handshake-timeout': 'tls-failed',
  'handshake-failed': 'tls-failed',
  'name-unknown': 'tls-failed',
};

/** The SIP stack of our own: connections, transactions, the user agent, and the trunks that hold them together. */
export class OwnSipStack implements SipStack {
  readonly #options: OwnSipStackOptions;
  readonly #clock: Clock;
  readonly #certificate: DomainCertificate;
  readonly #table: TrunkTable<OwnTrunk>;
  readonly #names: OwnNames;
  readonly #flows: Flows;
  readonly #transactions: Transactions;
  readonly #userAgent: UserAgent;
  readonly #ground: TrunkGround;
  readonly #trunks = new Map<string, OwnTrunk>();
  #handlers: SipHandlers | undefined;
  #draining = false;
  #closing: Promise<void> | undefined;

  /** Throws Fault `config-invalid`. It holds timers from now on: close it in any case. */
  constructor(options: OwnSipStackOptions) {
    const { clock = systemClock, random = systemRandom, journal, limits, now = Date.now } = options;
    this.#options = options;
    this.#clock = clock;
    this.#certificate = new DomainCertificate(options.anchors, now);
    this.#table = new TrunkTable({
      certificate: this.#certificate,
      trust: (domain, evidence) => options.trust(domain, evidence),
    });
    this.#names = new OwnNames(options.advertise, (domain) => this.#table.trunkFor(domain)?.options.localDomain);
    this.#ground = this.#newGround(random);
    this.setTrunks(options.trunks);
    this.#flows = new Flows({
      user: {
        message: (flow, message) => this.#transactions.message(flow, message),
        closed: (flow, why, ending) => this.#flowClosed(flow, why, ending),
      },
      secureContextFor: (name) => options.secureContextFor(name),
      identitiesOf: (leaf) => sipIdentities(identitiesOf(leaf)),
      judge: (peer, domain) => this.#table.judge(peer, domain),
      refused: (refusal, address) => journal.refuse('connection-refused', REFUSALS[refusal], { address, refusal }),
      limits: limits?.flows,
      keepAlive: options.keepAlive,
      overload: options.overload,
      minVersion: options.minVersion,
      clock,
      random: () => random.fraction(),
    });
    this.#userAgent = new UserAgent({
      clock,
      random,
      handlers: () => this.#handlersNow(),
      defect: (error) => journal.refuse('defect', 'internal', { detail: inspect(error) }),
      trunkOf: (transaction) => this.#trunkOf(transaction),
      ...(limits?.dialogs === undefined ? {} : { limits: limits.dialogs }),
    });
    this.#transactions = new Transactions({
      user: this.#userAgent,
      clock,
      random: () => random.token(),
      sentBy: (flow) => this.#names.sentBy(flow),
      limits: { ...TRANSACTIONS, ...limits?.transactions },
      overloaded: () => this.#flows.overloaded(),
      flowFor: (transaction) => this.#flowFor(transaction),
    });
  }

  async start(handlers: SipHandlers): Promise<readonly Endpoint[]> {
    this.#handlers = handlers;
    const bound: Endpoint[] = [];
    for (const { tls, ...at } of this.#options.listen) {
      const admits = (address: string): boolean => this.#table.admitsInClear(address);
      const where = await this.#flows.listen(tls ? { ...at, tls } : { ...at, tls, admits });
      this.#names.listening({ ...where, tls });
      bound.push(where);
    }
    for (const trunk of this.#trunks.values()) trunk.start();
    return bound;
  }

  trunkFor(domain: string): Trunk | undefined {
    return this.#table.trunkFor(foldDomain(domain) ?? domain);
  }

  /** All trunks as they are now. */
  get trunks(): readonly Trunk[] {
    return [...this.#trunks.values()];
  }

  /** For metrics. */
  get counters(): {
    readonly flows: FlowCounters;
    readonly transactions: { readonly client: number; readonly server: number };
  } {
    return { flows: this.#flows.counters, transactions: this.#transactions.load };
  }

  /**
   * Takes new trunks in place of all. One with the same id, kind and domain stays the same trunk: its connections and
   * calls go on. Throws Fault `config-invalid`, with everything as it was.
   */
  setTrunks(trunks: readonly TrunkOptions[]): void {
    this.#table.check(trunks);
    const kept = new Map<string, OwnTrunk>();
    for (const options of trunks) kept.set(options.id, this.#trunkWith(options));
    for (const [id, trunk] of this.#trunks) if (kept.get(id) !== trunk) trunk.close();
    this.#trunks.clear();
    for (const [id, trunk] of kept) this.#trunks.set(id, trunk);
    this.#table.replace([...kept.values()]);
    if (this.#handlers !== undefined) for (const trunk of kept.values()) trunk.start();
    this.#closeStrayFlows();
  }

  /** Connections that stand are judged anew by these: ours at once, those of peers with their next request. */
  replaceAnchors(anchors: TrustAnchors): void {
    this.#certificate.replaceAnchors(anchors);
    this.#closeStrayFlows();
  }

  async drain(ms: number): Promise<void> {
    this.#draining = true;
    this.#userAgent.drain();
    const until = this.#clock.now() + ms;
    while (this.#busy() && this.#clock.now() < until && this.#closing === undefined) await this.#pause(DRAIN_LOOK_MS);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#draining = true;
    for (const trunk of this.#trunks.values()) trunk.close();
    this.#userAgent.close();
    this.#transactions.close();
    await this.#flows.close();
  }

  #busy(): boolean {
    const { calls, pending } = this.#userAgent.load;
    return calls + pending > 0;
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#clock.setTimeout(resolve, ms);
    });
  }

  #newGround(random: Random): TrunkGround {
    return {
      resolver: this.#options.resolver,
      clock: this.#clock,
      fraction: () => random.fraction(),
      flows: {
        connect: (target, signal) => this.#flows.connect(target, signal),
        standing: (target) => this.#flows.standing(target),
      },
      transact: (flow, request, user) => this.#transactions.request(flow, request, user),
      sendAck: (flow, ack) => this.#transactions.send(flow, ack),
      userAgent: () => this.#userAgent,
      contact: (options) => this.#names.contact(options),
      mayCarry: (trunk, flow) => this.#table.objection(trunk, flow) === undefined,
      draining: () => this.#draining,
      turned: (trunk, state, why) => this.#turned(trunk, state, why),
      digest: new DigestClient(() => random.token()),
    };
  }

  #trunkWith(options: TrunkOptions): OwnTrunk {
    const known = this.#trunks.get(options.id);
    if (known === undefined || known.kind !== options.kind || known.domain !== options.domain) {
      return new OwnTrunk(options, this.#ground);
    }
    known.reconfigure(options);
    return known;
  }

  /** Connections of ours that lead to no trunk any more, or to somebody who is not believed any more. */
  #closeStrayFlows(): void {
    if (this.#handlers === undefined) return;
    const domains = new Set([...this.#trunks.values()].map(({ domain }) => domain));
    for (const flow of [...this.#flows.flows()].filter(({ opened }) => opened === 'by-us')) {
      const fault = flow.secure ? this.#table.judge(flow.peer, flow.name) : undefined;
      if (fault !== undefined) flow.close(fault.message);
      else if (!domains.has(flow.name)) flow.close('No trunk leads there any more.');
    }
  }

  #handlersNow(): SipHandlers {
    if (this.#handlers === undefined) throw new Fault('internal', 'The SIP stack was not started.');
    return this.#handlers;
  }

  #trunkOf({
    flow,
    request,
  }: Pick<ServerTransaction, 'flow' | 'request'>): { readonly trunk: Trunk; readonly outbound: Outbound } | Answer {
    const placed = this.#table.place(flow, request);
    if (!placed.ok) {
      const { status, text, reason, nearest, unmatched, detail } = placed.refusal;
      const { method } = request;
      const [address, from] = [flow.remote.host, request.from.uri];
      this.#options.journal.refuse('sip-refused', reason, { address, method, from, nearest, unmatched, detail });
      return { status, reason: text };
    }
    const { trunk } = placed;
    trunk.received(request, flow);
    return { trunk, outbound: trunk };
  }

  #flowFor({ flow, request }: ServerTransaction): Flow | undefined {
    const placed = this.#table.place(flow, request);
    return placed.ok ? placed.trunk.openFlow() : undefined;
  }

  #flowClosed(flow: Flow, why: string, ending: Ending): void {
    const { host: address, port } = flow.remote;
    const reason = CUT[ending];
    if (reason !== undefined) {
      const facts = { address, port, identities: flow.peer.identities.slice(0, SHOWN), detail: why };
      this.#options.journal.refuse(reason === 'internal' ? 'defect' : 'connection-cut', reason, facts);
    }
    for (const trunk of this.#trunks.values()) trunk.flowClosed(flow);
    this.#transactions.closed(flow);
  }

  #turned(trunk: OwnTrunk, state: 'up' | 'down', why: string | undefined): void {
    const { journal } = this.#options;
    const fields = { partner: trunk.domain, trunk: trunk.id };
    if (state === 'up') journal.note('trunk-up', fields);
    else journal.refuse('trunk-down', 'remote-unreachable', { ...fields, detail: why });
    this.#handlers?.trunk(trunk, state, why);
  }
}
