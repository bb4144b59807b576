import type { Socket } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import { codeOf, Fault } from '../../policies/fault.ts';
import type { ReasonCode } from '../../policies/reasons.ts';
import type { Stanza } from '../bridge/stanza.ts';
import type { Endpoint } from '../dns/locate.ts';
import { locateXmppServer } from '../dns/locate.ts';
import type { Resolver } from '../dns/resolver.ts';
import { DomainReader } from './domain-reader.ts';
import type { EdgeContext } from './edge-context.ts';
import type { DialbackOutcome } from './evidence/dialback.ts';
import { prospectiveDialback } from './evidence/dialback.ts';
import { exceeds } from './features.ts';
import type { Fences } from './fence.ts';
import type { IncomingStream } from './incoming.ts';
import { OutgoingStream } from './outgoing.ts';
import { type Carrier, OutboundPath } from './path.ts';
import { reach } from './reach.ts';
import { SessionCache } from './session-cache.ts';
import type { ScannedElement } from './start-tag.ts';

export interface PoolOptions {
  readonly resolver: Resolver;
  readonly random: () => number;
  /** An answer to a liveness probe; true where it was one. */
  readonly pong: (element: ScannedElement) => boolean;
  readonly fences: Fences;
  readonly closed: (stream: OutgoingStream) => void;
}

/** Pairs of domains spoken for at once: wildcards let a partner have many subdomains, not endlessly many. */
const PATHS = 10_000;
/** Connections being set up at once; further ones fail at once and are tried again later. */
const CONNECTING = 256;
/** Between two looks at whether the queues have drained, ms. */
const LOOK_MS = 20;
/** Verifications under way at once: each is a connection made at a stranger's word. */
const VERIFYING = 64;
/** Of them, for one domain: the questions about one whose server does not answer leave room for the others. */
const VERIFYING_EACH = 8;

/** How lately a peer must have been heard to be asked on a stream that stands, and how long its answer may take, ms. */
const HEARD_MS = 5_000;

/** All streams that we open: finds, shares and replaces them under the ordered paths of each pair of domains. */
export class OutgoingPool {
  readonly #context: EdgeContext;
  readonly #options: PoolOptions;
  readonly #paths = new Map<string, OutboundPath>();
  readonly #streams = new Set<OutgoingStream>();
  readonly #endpoints = new WeakMap<OutgoingStream, Endpoint>();
  readonly #users = new Map<Carrier, Set<OutboundPath>>();
  readonly #connecting = new Map<string, Promise<Carrier>>();
  readonly #sessions = new SessionCache();
  readonly #closing = new AbortController();
  #waning = false;
  #connections = 0;
  /** Verifications under way, by the domain they are about. */
  readonly #verifying: string[] = [];

  constructor(context: EdgeContext, options: PoolOptions) {
    this.#context = context;
    this.#options = options;
  }

  get streams(): ReadonlySet<OutgoingStream> {
    return this.#streams;
  }

  get queued(): number {
    let total = 0;
    for (const path of this.#paths.values()) total += path.queued;
    return total;
  }

  send(home: string, partner: string, stanza: Stanza): boolean {
    const { host, options } = this.#context;
    const tooBig = exceeds(stanza, options.scanner.elementBytes);
    const path = tooBig ? undefined : this.#path(home, partner);
    if (path !== undefined) return path.send(stanza);
    host.undeliverable(stanza, tooBig ? 'stanza-too-big' : 'queue-full');
    return true;
  }

  /** A bidirectional stream of the peer may carry a pair (XEP-0288). */
  adopt(home: string, partner: string, stream: IncomingStream): void {
    this.#path(home, partner)?.adopt(stream);
  }

  /** A stream has room: the paths on it go on. */
  pump(carrier: Carrier): void {
    for (const path of this.#users.get(carrier) ?? []) path.pump();
  }

  /** A stream is gone: its paths find another, and what it left unconfirmed goes first there. */
  lost(carrier: Carrier, unconfirmed: readonly Stanza[]): void {
    const users = this.#users.get(carrier) ?? [];
    this.#users.delete(carrier);
    const domains = new DomainReader();
    const byPair = Map.groupBy(unconfirmed, ({ from, to }) => `${domains.of(from)} ${domains.of(to)}`);
    for (const path of users) {
      const key = `${path.home} ${path.partner}`;
      path.lost(carrier, byPair.get(key) ?? []);
      byPair.delete(key);
    }
    for (const stanza of [...byPair.values()].flat()) this.#context.host.undeliverable(stanza, 'stream-error');
  }

  /** Asks the authoritative server of a domain about a dialback key (XEP-0220 §2.1.2), never on the stream it came on. */
  async verify(home: string, partner: string, streamId: string, key: string): Promise<DialbackOutcome> {
    // Only a stream whose peer is heard: after a crash without a word the old one stands for minutes, and answers nothing.
    const heardSince = Date.now() - HEARD_MS;
    const standing = [...this.#streams].find(
      ({ partner: of, purpose, open, xml }) =>
        of === partner && purpose === 'traffic' && open && xml.lastRead > heardSince,
    );
    const answer = await standing?.verify(home, streamId, key, HEARD_MS);
    if (answer !== undefined && answer !== 'dialback-unreachable') return answer;
    const here = this.#verifying.filter((domain) => domain === partner).length;
    if (this.#verifying.length >= VERIFYING || here >= VERIFYING_EACH) return 'connections-full';
    this.#verifying.push(partner);
    try {
      const stream = await this.#connect(home, partner, 'verify');
      const outcome = await stream.verify(home, streamId, key);
      stream.close();
      return outcome;
    } catch (error) {
      return codeOf(error);
    } finally {
      this.#verifying.splice(this.#verifying.indexOf(partner), 1);
    }
  }

  /** Certificates, trust or policies have changed: TLS sessions are made anew, and what failed may be tried again. */
  renew(): void {
    this.#sessions.clear();
    for (const path of this.#paths.values()) path.forgive();
  }

  /** Drops paths that nobody uses. */
  sweep(): void {
    for (const [key, path] of this.#paths) if (path.idle) this.#paths.delete(key);
  }

  /** The edge is about to close: only pairs that have a stream go on, and on no new one do partners send. */
  wane(): void {
    this.#waning = true;
    for (const path of this.#paths.values()) path.wane();
  }

  /** Resolves when nothing waits any more, or after `limitMs`. */
  async drain(limitMs: number): Promise<void> {
    const end = Date.now() + limitMs;
    while (this.queued > 0 && Date.now() < end) await setTimeout(LOOK_MS);
  }

  /** Takes nothing more, bounces what waits; streams are closed by the edge once they are flushed. */
  close(): void {
    this.#closing.abort(new Fault('shutting-down'));
    for (const path of this.#paths.values()) path.close();
  }

  #path(home: string, partner: string): OutboundPath | undefined {
    const key = `${home} ${partner}`;
    const known = this.#paths.get(key);
    if (known !== undefined) return known;
    if (this.#paths.size >= PATHS) this.sweep();
    if (this.#paths.size >= PATHS) return undefined;
    const { host, journal, options } = this.#context;
    const path = new OutboundPath(
      home,
      partner,
      {
        carrier: () => this.#carrier(home, partner),
        undeliverable: (stanza, reason) => host.undeliverable(stanza, reason),
        room: () => host.roomForPartner(home, partner),
        unreachable: (fault, retryMs) =>
          journal.refuse('partner-unreachable', fault.code, {
            home,
            partner,
            detail: fault.message,
            rule: fault.place,
            retryMs,
          }),
        attached: (attached, carrier) => {
          this.#users.set(carrier, (this.#users.get(carrier) ?? new Set()).add(attached));
        },
        random: this.#options.random,
      },
      options.queue,
    );
    this.#paths.set(key, path);
    if (this.#waning) path.close();
    return path;
  }

  async #carrier(home: string, partner: string): Promise<Carrier> {
    // A stream to this partner that is just being set up for another of our domains may serve both.
    const other = this.#connecting.get(partner);
    if (other !== undefined) await other.catch(() => undefined);
    const found = this.#find(home, partner);
    this.#connecting.set(partner, found);
    const forget = (): void => {
      if (this.#connecting.get(partner) === found) this.#connecting.delete(partner);
    };
    found.then(forget, forget);
    return found;
  }

  async #find(home: string, partner: string): Promise<Carrier> {
    return (await this.#share(home, partner)) ?? (await this.#connect(home, partner, 'traffic'));
  }

  /** Adds the pair to a stream that stands, XEP-0220 §2.7; undefined where none takes it. */
  async #share(home: string, partner: string): Promise<Carrier | undefined> {
    for (const stream of this.#streams) {
      if (!stream.open) continue;
      if (stream.carries(home, partner)) return stream;
      if (!stream.multiplexes || !(await this.#reaches(stream, partner))) continue;
      try {
        await stream.authorize(home, partner);
        return stream;
      } catch (error) {
        this.#context.journal.refuse('dialback-refused', codeOf(error), {
          home,
          partner,
          detail: 'The pair could not join a standing stream; another is opened.',
        });
      }
    }
    return undefined;
  }

  /**
   * Whether a standing stream leads to the server of a domain: to its own partner, or (RFC 7712 §4.4.2) to another
   * that DNS puts at the same endpoint and that the peer's certificate names too.
   */
  async #reaches(stream: OutgoingStream, partner: string): Promise<boolean> {
    if (stream.partner === partner) return true;
    const { host } = this.#context;
    if (!stream.proven.mayProve(partner)) return false;
    const certificate = stream.proven.certificateFor(partner);
    if (!certificate.holds || !host.trust(partner, [certificate, prospectiveDialback(partner)]).sufficient)
      return false;
    const { resolver, random } = this.#options;
    const location = await locateXmppServer(resolver, partner, { random, signal: this.#closing.signal }).catch(
      () => undefined,
    );
    const there = this.#endpoints.get(stream);
    return location?.endpoints.some(({ host, port }) => host === there?.host && port === there.port) === true;
  }

  async #connect(home: string, partner: string, purpose: 'traffic' | 'verify'): Promise<OutgoingStream> {
    if (this.#connections >= CONNECTING) throw new Fault('connections-full', 'Too many connections are being set up.');
    this.#connections++;
    const { resolver, random } = this.#options;
    const timeoutMs = this.#context.options.connectTimeoutMs;
    try {
      const limits = { resolver, random, timeoutMs, signal: this.#closing.signal };
      return await reach(partner, limits, (socket, endpoint, signal) =>
        this.#open(socket, endpoint, { home, partner, purpose }, signal),
      );
    } finally {
      this.#connections--;
    }
  }

  async #open(
    socket: Socket,
    endpoint: Endpoint,
    { home, partner, purpose }: { home: string; partner: string; purpose: 'traffic' | 'verify' },
    signal: AbortSignal,
  ): Promise<OutgoingStream> {
    const target = { home, partner, purpose, tls: endpoint.tls, bidi: this.#context.options.bidi && !this.#waning };
    const stream = new OutgoingStream(socket, target, this.#context, {
      sessions: this.#sessions,
      fences: this.#options.fences,
      pong: (element) => this.#options.pong(element),
      room: (carrier) => this.pump(carrier),
      closed: (carrier, fault, left) => this.#closed(carrier, fault, left),
    });
    // Kept from the start: whatever ends the edge must end this stream too.
    this.#streams.add(stream);
    this.#endpoints.set(stream, endpoint);
    await stream.negotiate(signal);
    return stream;
  }

  #closed(stream: OutgoingStream, fault: Fault | undefined, left: readonly Stanza[]): void {
    this.#streams.delete(stream);
    const reason: ReasonCode | undefined = fault?.code;
    this.#context.journal.note('stream-closed', { ...stream.facts(), reason, detail: fault?.message });
    this.lost(stream, left);
    this.#options.closed(stream);
  }
}
