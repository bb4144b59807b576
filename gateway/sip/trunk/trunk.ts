import type { DigestClient } from '../dialog/digest.ts';
import type { Outbound, SendOptions, SentRequest } from '../dialog/outbound.ts';
import { systemRandom } from '../dialog/random.ts';
import { newRequest } from '../dialog/request.ts';
import type { UserAgent } from '../dialog/user-agent.ts';
import type { SipRequest } from '../message/message.ts';
import { serialise } from '../message/serialise.ts';
import type { ExtraHeaders, OutCall, OutInvite, OutRequest, Reply, SubscribeResult, Trunk } from '../port.ts';
import type { Clock } from '../transaction/clock.ts';
import type { Flow } from '../transport/flow.ts';
import { type Neighbour, receiveIdentity, sendIdentity } from './asserted-identity.ts';
import { coversDomain } from './domain-index.ts';
import { Health } from './health.ts';
import { Heartbeat } from './heartbeat.ts';
import { Sending } from './sending.ts';
import type { TrunkOptions } from './trunk-options.ts';
import { type RoadGround, TrunkRoad } from './trunk-road.ts';

export interface TrunkGround extends Omit<RoadGround, 'answered' | 'unanswered' | 'mayCarry'> {
  readonly clock: Clock;
  readonly userAgent: () => UserAgent;
  /** Sends an ACK of a 2xx. */
  readonly sendAck: (flow: Flow, ack: SipRequest) => void;
  /** Our Contact URI for a trunk. */
  readonly contact: (options: TrunkOptions) => string;
  readonly mayCarry: (trunk: OwnTrunk, flow: Flow) => boolean;
  readonly draining: () => boolean;
  readonly turned: (trunk: OwnTrunk, state: 'up' | 'down', why: string | undefined) => void;
  readonly digest: DigestClient;
}

/** Mean time between two OPTIONS, failures that take a trunk down, successes that bring it up. */
const PING_MS = 45_000;
const FAILURES = 2;
const SUCCESSES = 2;
/** Answers to OPTIONS by which a peer says that it cannot serve now. */
const NOT_ALIVE: ReadonlySet<number> = new Set([408, 503]);

/** A trunk of our own stack. */
export class OwnTrunk implements Trunk, Outbound {
  readonly #ground: TrunkGround;
  readonly #health: Health;
  #options: TrunkOptions;
  #road: TrunkRoad;
  #neighbour: Neighbour;
  #heartbeat: Heartbeat | undefined;
  #closed = false;

  constructor(options: TrunkOptions, ground: TrunkGround) {
    this.#options = options;
    this.#ground = ground;
    this.#neighbour = neighbourOf(options);
    this.#road = this.#newRoad();
    const { failures = FAILURES, successes = SUCCESSES } = options.options ?? {};
    this.#health = new Health({
      failures,
      successes,
      turned: (state, why) => {
        if (!this.#closed) ground.turned(this, state, why);
      },
    });
  }

  get options(): TrunkOptions {
    return this.#options;
  }

  /** From now on it is asked whether it lives. */
  start(): void {
    this.#heartbeat ??= this.#newHeartbeat();
  }

  /**
   * Takes new options for the same peer (id, kind and domain stay); connections, calls and its state stay with it, but
   * one that is down is tried anew.
   */
  reconfigure(options: TrunkOptions): void {
    this.#options = options;
    this.#health.forgive();
    this.#neighbour = neighbourOf(options);
    this.#road = this.#newRoad(this.#road);
    if (this.#heartbeat === undefined) return;
    this.#heartbeat.close();
    this.#heartbeat = this.#newHeartbeat();
  }

  get id(): string {
    return this.options.id;
  }

  get domain(): string {
    return this.options.domain;
  }

  get kind(): 'partner' | 'home' {
    return this.options.kind;
  }

  get state(): 'up' | 'down' | 'draining' {
    return this.#closed || this.#ground.draining() ? 'draining' : this.#health.state;
  }

  invite(invite: OutInvite): OutCall {
    return this.#ground.userAgent().invite(this, this, invite);
  }

  request(request: OutRequest): Promise<Reply> {
    return this.#ground.userAgent().send(this, request);
  }

  subscribe(request: OutRequest & { readonly event: string; readonly expires: number }): Promise<SubscribeResult> {
    return this.#ground.userAgent().subscribe(this, this, request);
  }

  send(request: SipRequest, options: SendOptions): SentRequest {
    sendIdentity(request.headers, this.#neighbour);
    return new Sending(this.#road, request, options).start(serialise);
  }

  ack(ack: SipRequest, prefer: Flow | undefined): void {
    const way = this.#road.standing(ack, prefer, true);
    if (way !== undefined) this.#ground.sendAck(way.flow, ack);
    else void this.#ackElsewhere(ack);
  }

  contact(): string {
    return this.#ground.contact(this.options);
  }

  async authorize(request: SipRequest, reply: Reply): Promise<ExtraHeaders | undefined> {
    const { credentials } = this.#options;
    return credentials === undefined ? undefined : this.#ground.digest.authorize(request, reply, credentials);
  }

  /** A request of the peer came: what it may not claim is taken away, and its connection is remembered. */
  received(request: SipRequest, flow: Flow): void {
    receiveIdentity(request.headers, this.#neighbour);
    this.#road.adopt(flow);
  }

  flowClosed(flow: Flow): void {
    this.#road.forget(flow);
  }

  /** Any open connection to the peer. */
  openFlow(): Flow | undefined {
    return this.#road.openFlow();
  }

  /** Asks and tells nothing more. */
  close(): void {
    this.#closed = true;
    this.#heartbeat?.close();
    this.#road.close();
  }

  #newRoad(before?: TrunkRoad): TrunkRoad {
    const ground = this.#ground;
    const roadGround: RoadGround = {
      ...ground,
      mayCarry: (flow) => ground.mayCarry(this, flow),
      answered: ({ status }) => {
        // Whoever answers lives; one that is overloaded proves nothing either way.
        if (!NOT_ALIVE.has(status)) this.#health.succeeded();
      },
      unanswered: (why) => this.#health.failed(why),
    };
    return new TrunkRoad(this.#options, roadGround, before);
  }

  #newHeartbeat(): Heartbeat {
    return new Heartbeat({
      clock: this.#ground.clock,
      fraction: this.#ground.fraction,
      everyMs: this.#options.options?.pingMs ?? PING_MS,
      ask: () => this.#ping(),
      failures: () => this.#health.failures,
      recovering: () => this.#health.recovering,
    });
  }

  async #ackElsewhere(ack: SipRequest): Promise<void> {
    const signal = AbortSignal.timeout(ACK_MS);
    const targets = await this.#road.targets(ack, true).catch(() => []);
    for (const target of targets) {
      const flow = await this.#road.connect(target, signal).catch(() => undefined);
      if (flow === undefined) continue;
      this.#ground.sendAck(flow, ack);
      return;
    }
    for (const flow of this.#road.peerFlows()) {
      this.#ground.sendAck(flow, ack);
      return;
    }
  }

  /** OPTIONS out of dialog, to the best target first: any answer is a sign of life but one that says otherwise. */
  #ping(): Promise<void> {
    const [ours, theirs] = [`sip:${this.options.localDomain}`, `sip:${this.domain}`];
    const { token } = systemRandom;
    const request = newRequest(
      { method: 'OPTIONS', target: theirs, from: { uri: ours }, to: { uri: theirs } },
      { callId: token(), tag: token(), cseq: 1 },
    );
    request.headers.set('Contact', `<${this.contact()}>`).set('Accept', 'application/sdp');
    return new Promise((resolve) => {
      const final = ({ status }: { readonly status: number }): void => {
        if (NOT_ALIVE.has(status)) this.#health.failed(`OPTIONS was answered with ${status}`);
        resolve();
      };
      const user = { provisional: () => undefined, final, failed: () => resolve() };
      new Sending(this.#road, request, { user, dialog: false }).begin(serialise);
    });
  }
}

function neighbourOf({ kind, domain, domains, assertsIdentity }: TrunkOptions): Neighbour {
  return {
    trusted: assertsIdentity ?? kind === 'home',
    owns: (other) => coversDomain([domain, ...domains], other),
  };
}

/** An ACK is of use as long as the 2xx is repeated, ms (RFC 3261 §13.3.1.4). */
const ACK_MS = 32_000;
