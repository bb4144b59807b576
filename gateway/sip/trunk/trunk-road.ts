import { isIP } from 'node:net';
import type { Resolver } from '../../dns/resolver.ts';
import type { SipRequest, SipResponse } from '../message/message.ts';
import { parseNameAddress } from '../message/name-address.ts';
import { parseUri } from '../message/uri.ts';
import type { Clock } from '../transaction/clock.ts';
import type { ClientTransaction, ClientUser } from '../transaction/transaction.ts';
import type { Flow, FlowTarget } from '../transport/flow.ts';
import { addressList } from './address-list.ts';
import { coversDomain } from './domain-index.ts';
import { locateSip, type Target } from './locate.ts';
import { domainOf } from './sender.ts';
import type { Road, Way } from './sending.ts';
import { keyOf, Targets } from './targets.ts';
import { knownAddresses, type TrunkOptions } from './trunk-options.ts';

/** What a trunk is given by the stack. */
export interface RoadGround {
  readonly resolver: Resolver;
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly fraction: () => number;
  readonly flows: {
    connect(target: FlowTarget, signal?: AbortSignal): Promise<Flow>;
    standing(target: FlowTarget): Flow | undefined;
  };
  readonly transact: (flow: Flow, request: SipRequest, user: ClientUser) => ClientTransaction;
  /** Whether what is this trunk's may go over a flow that its peer opened. */
  readonly mayCarry: (flow: Flow) => boolean;
  readonly answered: (response: SipResponse) => void;
  readonly unanswered: (why: string) => void;
}

/** Calls that went elsewhere than the first target, and whose next requests follow (RFC 3263 §4.4). */
const STICKY = 1_000;
/** Connections of the peer that are remembered as a way to it. */
const PEER_FLOWS = 64;
/** A response is of use as long as its request is repeated or waited for, ms (RFC 3261 §17.2). */
const REOPEN_MS = 32_000;
/** Hosts of one static list; each may be located. */
const STATIC_HOSTS = 16;

/** The ways to the peer of one trunk. */
export class TrunkRoad implements Road {
  readonly #options: TrunkOptions;
  readonly #ground: RoadGround;
  readonly #targets: Targets;
  readonly #peerFlows: Set<Flow>;
  #reopening: Promise<void> | undefined;
  readonly #sticky = new Map<string, Target>();
  readonly #admits: (address: string) => boolean;

  /** @param before the road with other options whose place it takes. */
  constructor(options: TrunkOptions, ground: RoadGround, before?: TrunkRoad) {
    this.#options = options;
    this.#ground = ground;
    this.#peerFlows = before === undefined ? new Set() : before.#peerFlows;
    this.#admits = addressList(knownAddresses(options) ?? []);
    this.#targets = new Targets({ clock: ground.clock, locate: (signal) => this.#locate(signal) });
  }

  standing(request: SipRequest, prefer: Flow | undefined, inDialog: boolean): Way | undefined {
    if (prefer?.open) return { flow: prefer, target: prefer.opened === 'by-us' ? prefer.remote : undefined };
    // The next hop of a dialog whose connection is gone is the peer's to say.
    if (inDialog) return undefined;
    const { known } = this.#targets;
    if (known === undefined) return undefined;
    const sticky = this.#sticky.size === 0 ? undefined : this.#sticky.get(request.callId);
    for (const target of sticky === undefined ? known : [sticky, ...known]) {
      if (this.#targets.isAvoided(target)) continue;
      const flow = this.#ground.flows.standing(this.#flowTarget(target));
      if (flow !== undefined) return { flow, target };
    }
    return undefined;
  }

  async targets(request: SipRequest, inDialog: boolean): Promise<readonly Target[]> {
    if (!inDialog) return this.#targets.located();
    const [ordinary] = await Promise.allSettled([this.#targets.located()]);
    const known = ordinary.status === 'fulfilled' ? ordinary.value : [];
    const hops = await this.#nextHop(request, known);
    const all = new Map([...hops, ...known].map((target) => [keyOf(target), target]));
    if (all.size === 0 && ordinary.status === 'rejected') throw ordinary.reason;
    return [...all.values()];
  }

  connect(target: Target, signal: AbortSignal): Promise<Flow> {
    return this.#ground.flows.connect(this.#flowTarget(target), signal);
  }

  *peerFlows(): Iterable<Flow> {
    for (const flow of this.#peerFlows) if (flow.open && this.#ground.mayCarry(flow)) yield flow;
  }

  transact(flow: Flow, request: SipRequest, user: ClientUser): ClientTransaction {
    return this.#ground.transact(flow, request, user);
  }

  avoid(target: Target, ms?: number): void {
    this.#targets.avoid(target, ms);
  }

  isAvoided(target: Target): boolean {
    return this.#targets.isAvoided(target);
  }

  answered({ target }: Way, request: SipRequest, response: SipResponse, attempts: number): void {
    if (target !== undefined && response.status !== 503) this.#targets.trust(target);
    if (target !== undefined && attempts > 1 && response.status < 300) this.#stick(request.callId, target);
    this.#ground.answered(response);
  }

  unanswered(why: string): void {
    this.#targets.expire();
    this.#ground.unanswered(why);
  }

  /** The peer has come over a flow of its own. */
  adopt(flow: Flow): void {
    if (flow.opened === 'by-us' || this.#peerFlows.has(flow)) return;
    const oldest = this.#peerFlows.size < PEER_FLOWS ? undefined : this.#peerFlows.values().next().value;
    if (oldest !== undefined) this.#peerFlows.delete(oldest);
    this.#peerFlows.add(flow);
  }

  forget(flow: Flow): void {
    this.#peerFlows.delete(flow);
  }

  /**
   * Any open flow to the peer: for a response whose own is gone. Where there is none one is opened, for the next response
   * or the repetition of this one (RFC 3261 §18.2.2).
   */
  openFlow(): Flow | undefined {
    for (const flow of this.peerFlows()) return flow;
    const targets = this.#targets.known ?? [];
    const standing = targets
      .map((target) => this.#ground.flows.standing(this.#flowTarget(target)))
      .find((flow) => flow !== undefined);
    if (standing === undefined) this.#reopening ??= this.#reopen();
    return standing;
  }

  close(): void {
    this.#targets.close();
    this.#peerFlows.clear();
    this.#sticky.clear();
  }

  async #reopen(): Promise<void> {
    const signal = AbortSignal.timeout(REOPEN_MS);
    for (const target of await this.#targets.located().catch(() => [])) {
      const flow = await this.connect(target, signal).catch(() => undefined);
      if (flow !== undefined) break;
    }
    this.#reopening = undefined;
  }

  #flowTarget({ host, port }: Target): FlowTarget {
    const { tls, domain, localDomain } = this.#options;
    return { host, port, tls, name: domain, localName: localDomain };
  }

  async #locate(signal: AbortSignal): Promise<readonly Target[]> {
    const { targets, domain } = this.#options;
    const goals = targets === undefined || targets.length === 0 ? [{ host: domain }] : targets.slice(0, STATIC_HOSTS);
    const found = await Promise.allSettled(goals.map((goal) => this.#locateOne(goal, signal)));
    const located = found.flatMap((one) => (one.status === 'fulfilled' ? one.value : []));
    const failed = found.find((one) => one.status === 'rejected');
    if (located.length === 0 && failed !== undefined) throw failed.reason;
    return located;
  }

  #locateOne(goal: { readonly host: string; readonly port?: number | undefined }, signal?: AbortSignal) {
    return locateSip(this.#ground.resolver, goal, { tls: this.#options.tls, random: this.#ground.fraction, signal });
  }

  /**
   * Where the Route or else the Request-URI of a request in a dialog leads (RFC 3261 §8.1.2): the peer wrote it, so only
   * its own names and addresses count; who is met there must prove to be the peer all the same.
   */
  async #nextHop(request: SipRequest, known: readonly Target[]): Promise<readonly Target[]> {
    const route = request.headers.get('Route');
    const text = route === undefined ? request.uri : parseNameAddress(route).uri;
    const uri = parseUri(text);
    if (uri === undefined) return [];
    const host = domainOf(text).replace(/^\[|\]$/g, '');
    const { tls, domain, domains } = this.#options;
    const isOwn = (address: string): boolean =>
      known.some((target) => target.host === address) || this.#admits(address);
    if (isIP(host) !== 0 ? !isOwn(host) : !coversDomain([domain, ...domains], host)) return [];
    const hops = await this.#locateOne({ host, port: uri.port }).catch(() => []);
    // Without TLS nobody proves anything: the address is all there is.
    return tls ? hops : hops.filter((target) => isOwn(target.host));
  }

  #stick(callId: string, target: Target): void {
    this.#sticky.delete(callId);
    const oldest = this.#sticky.size < STICKY ? undefined : this.#sticky.keys().next().value;
    if (oldest !== undefined) this.#sticky.delete(oldest);
    this.#sticky.set(callId, target);
  }
}
