import { isIPv6 } from 'node:net';
import { ownReply } from '../dialog/reply.ts';
import { addHeaders, newRequest } from '../dialog/request.ts';
import type { SipRequest } from '../message/message.ts';
import type { ExtraHeaders, OutCall, OutInvite, OutRequest, Reply, SubscribeResult } from '../port.ts';
import { type Neighbour, receiveIdentity, sendIdentity } from '../trunk/asserted-identity.ts';
import { coversDomain } from '../trunk/domain-index.ts';
import { Health } from '../trunk/health.ts';
import { Heartbeat } from '../trunk/heartbeat.ts';
import type { TrunkOptions } from '../trunk/trunk-options.ts';
import { type Destination, FIRST_CSEQ } from './content.ts';
import { exchange } from './exchange.ts';
import { freeCallId, type Ground } from './ground.ts';
import { DrachtioOutCall } from './out-call.ts';
import type { Road } from './road.ts';
import { DrachtioSubscription, type SubscribeOrder } from './subscription.ts';

export interface DrachtioTrunkGround extends Ground {
  /** Where everything is sent first; the trunk's own servers are then those of whoever is there. */
  readonly proxy: string | undefined;
  readonly draining: () => boolean;
  readonly turned: (trunk: DrachtioTrunk, state: 'up' | 'down', why: string | undefined) => void;
}

/** Mean time between two OPTIONS, failures that take a trunk down, successes that bring it up: as in our own stack. */
const PING_MS = 45_000;
const FAILURES = 2;
const SUCCESSES = 2;
const CHALLENGES = 2;
/** Answers to OPTIONS by which a peer says that it cannot serve now. */
const NOT_ALIVE: ReadonlySet<number> = new Set([408, 503]);

/** A trunk whose requests a drachtio server sends. */
export class DrachtioTrunk implements Road {
  readonly #ground: DrachtioTrunkGround;
  readonly #health: Health;
  #options: TrunkOptions;
  #heartbeat: Heartbeat | undefined;
  #closed = false;

  constructor(options: TrunkOptions, ground: DrachtioTrunkGround) {
    this.#options = options;
    this.#ground = ground;
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

  get id(): string {
    return this.#options.id;
  }

  get domain(): string {
    return this.#options.domain;
  }

  get kind(): 'partner' | 'home' {
    return this.#options.kind;
  }

  get state(): 'up' | 'down' | 'draining' {
    if (this.#closed || this.#ground.draining()) return 'draining';
    return this.#ground.link.up ? this.#health.state : 'down';
  }

  /** Takes new options for the same peer (id, kind and domain stay). */
  reconfigure(options: TrunkOptions): void {
    this.#options = options;
    this.#health.forgive();
    if (this.#heartbeat === undefined) return;
    this.pause();
    this.resume();
  }

  /** The server is there: the peer is asked whether it lives. */
  resume(): void {
    if (this.#closed) return;
    this.#heartbeat ??= new Heartbeat({
      clock: this.#ground.clock,
      fraction: () => this.#ground.random.fraction(),
      everyMs: this.#options.options?.pingMs ?? PING_MS,
      ask: () => this.#ping(),
      failures: () => this.#health.failures,
      recovering: () => this.#health.recovering,
    });
  }

  pause(): void {
    this.#heartbeat?.close();
    this.#heartbeat = undefined;
  }

  close(): void {
    this.#closed = true;
    this.pause();
  }

  invite(invite: OutInvite): OutCall {
    return new DrachtioOutCall(this.#ground, this, invite);
  }

  async request(out: OutRequest): Promise<Reply> {
    const { signal } = out;
    if (signal?.aborted === true) return ownReply(408, 'Given Up', 'unsent');
    const asked = this.#ask(out);
    if (signal === undefined) return asked;
    const { promise, resolve } = Promise.withResolvers<Reply>();
    const abandon = (): void => resolve(ownReply(408, 'Given Up', 'timeout'));
    signal.addEventListener('abort', abandon, { once: true });
    void asked.then(resolve);
    const reply = await promise;
    signal.removeEventListener('abort', abandon);
    return reply;
  }

  subscribe(order: SubscribeOrder): Promise<SubscribeResult> {
    return DrachtioSubscription.begin(this.#ground, this, order);
  }

  sending(request: SipRequest): void {
    sendIdentity(request.headers, this.#neighbour());
  }

  /** A request of the peer came: what it may not claim is taken away. */
  received(request: SipRequest): void {
    receiveIdentity(request.headers, this.#neighbour());
  }

  /** Where a request out of dialog goes: by its Request-URI, where the administrator names no servers. */
  destination(target: number): Destination {
    const { proxy } = this.#ground;
    if (proxy !== undefined) return { proxy };
    const { targets = [], tls, domain, kind } = this.#options;
    const transport = tls ? 'tls' : 'tcp';
    const server = targets[target];
    // The server locates the domain (RFC 3263) itself.
    if (server === undefined) return kind === 'partner' ? { proxy: `sip:${domain};transport=${transport}` } : {};
    const host = isIPv6(server.host) ? `[${server.host}]` : server.host;
    return { proxy: `sip:${host}${server.port === undefined ? '' : `:${server.port}`};transport=${transport}` };
  }

  hasTarget(target: number): boolean {
    return this.#ground.proxy === undefined && target < (this.#options.targets?.length ?? 0);
  }

  async authorize(request: SipRequest, reply: Reply): Promise<ExtraHeaders | undefined> {
    const { credentials } = this.#options;
    if (credentials === undefined) return undefined;
    return this.#ground.digest.authorize(request, reply, credentials).catch(() => undefined);
  }

  async #ask(out: OutRequest): Promise<Reply> {
    const ids = { callId: freeCallId(this.#ground, out.callId), tag: this.#ground.random.token() };
    let credentials: ExtraHeaders = [];
    let target = 0;
    let cseq = FIRST_CSEQ;
    for (let challenges = 0; ; ) {
      const request = newRequest(out, { ...ids, cseq });
      addHeaders(request, credentials);
      this.sending(request);
      const sent = await exchange(this.#ground, request, this.destination(target));
      const { reply } = sent;
      this.#judge(reply);
      const more = challenges < CHALLENGES ? await this.authorize(request, reply) : undefined;
      if (more !== undefined) {
        challenges += 1;
        credentials = more;
        cseq = sent.cseq + 1;
      } else if (reply.origin === 'transport' && this.#ground.link.up && this.hasTarget(target + 1)) target += 1;
      else return reply;
    }
  }

  /** Whoever answers lives; one that is overloaded proves nothing either way. */
  #judge({ origin, status }: Reply): void {
    if (origin === 'peer' && !NOT_ALIVE.has(status)) this.#health.succeeded();
    else if (origin === 'timeout' || (origin === 'transport' && this.#ground.link.up)) {
      this.#health.failed('no answer came');
    }
  }

  /** OPTIONS out of dialog: any answer is a sign of life but one that says otherwise. */
  async #ping(): Promise<void> {
    const [ours, theirs] = [`sip:${this.#options.localDomain}`, `sip:${this.domain}`];
    const headers: ExtraHeaders = [['Accept', 'application/sdp']];
    const ping = { method: 'OPTIONS', target: theirs, from: { uri: ours }, to: { uri: theirs }, headers };
    const reply = await this.#ask(ping);
    if (reply.origin === 'peer' && NOT_ALIVE.has(reply.status)) {
      this.#health.failed(`OPTIONS was answered with ${reply.status}`);
    }
  }

  #neighbour(): Neighbour {
    const { kind, domain, domains, assertsIdentity } = this.#options;
    return {
      trusted: assertsIdentity ?? kind === 'home',
      owns: (other) => coversDomain([domain, ...domains], other),
    };
  }
}
