import { setTimeout } from 'node:timers/promises';
import { endpointText } from '../../policies/address.ts';
import { codeOf, Fault } from '../../policies/fault.ts';
import type { ReasonCode } from '../../policies/reasons.ts';
import type { Taken } from '../bridge/ports.ts';
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
import { KeyVerifier } from './key-verifier.ts';
import type { OutgoingStream, Target } from './outgoing.ts';
import { type Carrier, OutboundPath } from './path.ts';
import type { Left } from './receipts.ts';
import { Resumptions } from './resumptions.ts';
import type { ScannedElement } from './start-tag.ts';
import type { Resumption } from './stream-management-initiator.ts';
import type { Pair } from './stream-management-receiver.ts';
import { StreamOpener } from './stream-opener.ts';

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
/** Between two looks at whether the queues have drained, ms. */
const LOOK_MS = 20;

/** All streams that we open: finds, shares and replaces them under the ordered paths of each pair of domains. */
export class OutgoingPool {
  readonly #context: EdgeContext;
  readonly #options: PoolOptions;
  readonly #paths = new Map<string, OutboundPath>();
  readonly #streams = new Set<OutgoingStream>();
  readonly #users = new Map<Carrier, Set<OutboundPath>>();
  readonly #connecting = new Map<string, Promise<Carrier>>();
  readonly #opener: StreamOpener;
  readonly #resumptions: Resumptions;
  readonly #verifier: KeyVerifier;
  readonly #closing = new AbortController();
  #waning = false;

  constructor(context: EdgeContext, options: PoolOptions) {
    this.#context = context;
    this.#options = options;
    const { fences, pong, resolver, random } = options;
    this.#opener = new StreamOpener(
      context,
      { resolver, random },
      {
        fences,
        pong,
        // Kept from the start: whatever ends the edge must end this stream too.
        opened: (stream) => this.#streams.add(stream),
        room: (stream) => this.pump(stream),
        closed: (stream, fault, left) => {
          this.#ended(stream, fault);
          this.lost(stream, left);
          options.closed(stream);
        },
        suspended: (stream, fault, session) => {
          this.#ended(stream, fault);
          options.closed(stream);
          this.#resumptions.add(stream, session);
        },
      },
    );
    this.#verifier = new KeyVerifier({
      streams: this.#streams,
      connect: (home, partner) => this.#connect({ home, partner, purpose: 'verify' }),
    });
    this.#resumptions = new Resumptions(context.journal, {
      connect: (stream, resumption) => this.#replace(stream, resumption),
      settled: (stream, left) => this.lost(stream, left),
      replaced: (next) => this.#paths.get(`${next.home} ${next.partner}`)?.adopt(next),
      unreachable: (stream, fault, retryMs) => this.#unreachable(stream, fault, retryMs),
      random,
    });
  }

  get streams(): ReadonlySet<OutgoingStream> {
    return this.#streams;
  }

  get queued(): number {
    let total = this.#resumptions.pending;
    for (const path of this.#paths.values()) total += path.queued;
    return total;
  }

  send(home: string, partner: string, stanza: Stanza): Taken {
    const { host, options } = this.#context;
    const tooBig = exceeds(stanza, options.scanner.elementBytes);
    const path = tooBig ? undefined : this.#path(home, partner);
    if (path !== undefined) return path.send(stanza);
    host.undeliverable(stanza, tooBig ? 'stanza-too-big' : 'queue-full');
    return 'more';
  }

  /** A bidirectional stream of the peer may carry a pair (XEP-0288). */
  adopt(home: string, partner: string, stream: IncomingStream): void {
    this.#path(home, partner)?.adopt(stream);
  }

  /** A stream has room: the paths on it go on. */
  pump(carrier: Carrier): void {
    for (const path of this.#users.get(carrier) ?? []) path.pump();
  }

  /** A stream is gone: its paths find another, and what it certainly did not pass on goes first there. */
  lost(carrier: Carrier, { doubtful, unsent }: Left): void {
    const users = this.#users.get(carrier) ?? [];
    this.#users.delete(carrier);
    const doubtfulOf = byPair(doubtful);
    const unsentOf = byPair(unsent);
    for (const path of users) {
      const key = `${path.home} ${path.partner}`;
      path.lost(carrier, { doubtful: doubtfulOf.get(key) ?? [], unsent: unsentOf.get(key) ?? [] });
      doubtfulOf.delete(key);
      unsentOf.delete(key);
    }
    const strays = [...doubtfulOf.values(), ...unsentOf.values()].flat();
    for (const stanza of strays) this.#context.host.undeliverable(stanza, 'stream-error');
  }

  /** Asks the authoritative server of a domain about a dialback key (XEP-0220 §2.1.2), never on the stream it came on. */
  verify(home: string, partner: string, streamId: string, key: string): Promise<DialbackOutcome> {
    return this.#verifier.verify(home, partner, streamId, key);
  }

  /** Certificates, trust or policies have changed: TLS sessions are made anew, and what failed may be tried again. */
  renew(): void {
    this.#opener.renew();
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
    this.#resumptions.close();
    for (const path of this.#paths.values()) path.close();
  }

  #path(home: string, partner: string): OutboundPath | undefined {
    const key = `${home} ${partner}`;
    const known = this.#paths.get(key);
    if (known !== undefined) return known;
    if (this.#paths.size >= PATHS) this.sweep();
    if (this.#paths.size >= PATHS) return undefined;
    const { host, options } = this.#context;
    const path = new OutboundPath(
      home,
      partner,
      {
        carrier: () => this.#carrier(home, partner),
        undeliverable: (stanza, reason) => host.undeliverable(stanza, reason),
        returned: (stanzas) => host.returned(stanzas),
        room: () => host.roomForPartner(home, partner),
        refused: (reason) => host.partnerUnreachable(home, partner, reason),
        unreachable: (fault, retryMs) => this.#unreachable({ home, partner }, fault, retryMs),
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
    return this.#announce(partner, this.#find(home, partner));
  }

  /** Lets others wait for a stream that is being set up. */
  #announce<C extends Carrier>(partner: string, carrier: Promise<C>): Promise<C> {
    this.#connecting.set(partner, carrier);
    const forget = (): void => {
      if (this.#connecting.get(partner) === carrier) this.#connecting.delete(partner);
    };
    carrier.then(forget, forget);
    return carrier;
  }

  /** Opens a stream in the place of one that broke: where that one led, if possible, for there its session is known. */
  #replace(broken: OutgoingStream, resumption: Resumption): Promise<OutgoingStream> {
    const there = this.#opener.endpointOf(broken);
    const names = resumption.location || (there && endpointText(there));
    const first = (endpoint: Endpoint): boolean => endpointText(endpoint) === names;
    const { home, partner } = broken;
    return this.#announce(partner, this.#connect({ home, partner, purpose: 'traffic', resumption }, first));
  }

  async #find(home: string, partner: string): Promise<Carrier> {
    return (await this.#share(home, partner)) ?? (await this.#connect({ home, partner, purpose: 'traffic' }));
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
    const there = this.#opener.endpointOf(stream);
    return location?.endpoints.some(({ host, port }) => host === there?.host && port === there.port) === true;
  }

  #connect(
    wanted: Pick<Target, 'home' | 'partner' | 'purpose' | 'resumption'>,
    first?: (endpoint: Endpoint) => boolean,
  ): Promise<OutgoingStream> {
    const bidi = this.#context.options.bidi && !this.#waning;
    return this.#opener.open({ ...wanted, bidi }, { signal: this.#closing.signal, first });
  }

  #ended(stream: OutgoingStream, fault: Fault | undefined): void {
    this.#streams.delete(stream);
    const reason: ReasonCode | undefined = fault?.code;
    this.#context.journal.note('stream-closed', { ...stream.facts(), reason, detail: fault?.message });
  }

  #unreachable({ home, partner }: Pair, fault: Fault, retryMs: number | undefined): void {
    this.#context.journal.refuse('partner-unreachable', fault.code, {
      home,
      partner,
      detail: fault.message,
      rule: fault.place,
      retryMs,
    });
  }
}

/** Stanzas by the pair they go between, `home partner`. */
function byPair(stanzas: readonly Stanza[]): Map<string, Stanza[]> {
  const domains = new DomainReader();
  return Map.groupBy(stanzas, ({ from, to }) => `${domains.of(from)} ${domains.of(to)}`);
}
