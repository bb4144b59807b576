import type { Socket } from 'node:net';
import { Fault } from '../../policies/fault.ts';
import type { Edge, Taken } from '../bridge/ports.ts';
import type { Stanza } from '../bridge/stanza.ts';
import type { Resolver } from '../dns/resolver.ts';
import type { EdgeContext } from './edge-context.ts';
import { Fences } from './fence.ts';
import { IncomingStream } from './incoming.ts';
import { Gate, Listener, type ListenerLimits } from './listener.ts';
import { Liveness } from './liveness.ts';
import type { OutgoingStream } from './outgoing.ts';
import { OutgoingPool } from './outgoing-pool.ts';
import type { Left } from './receipts.ts';
import { ResumableStreams } from './resumable-streams.ts';
import type { ScannedElement } from './start-tag.ts';
import { StreamFault } from './stream-error.ts';

export interface ListenOn {
  readonly host: string;
  readonly port: number;
  readonly tls: 'direct' | 'starttls';
}

export interface XmppEdgeParts {
  readonly context: EdgeContext;
  readonly resolver: Resolver;
  readonly listen: readonly ListenOn[];
  readonly limits: ListenerLimits;
  /** Uniform in [0, 1). */
  readonly random: () => number;
}

/** How often standing streams are looked over, ms: fine enough for limits counted in minutes. */
const ROUND_MS = 10_000;
/** How long partners are given for each step of our stopping, ms: service managers insist after ten seconds and more. */
const STOP_MS = 3_000;

/** The XMPP edge: server-to-server streams of partners, both ways. */
export class XmppEdge implements Edge {
  readonly #parts: XmppEdgeParts;
  readonly #gate: Gate;
  readonly #pool: OutgoingPool;
  readonly #liveness: Liveness;
  readonly #fences: Fences;
  readonly #incoming = new Set<IncomingStream>();
  readonly #resumable: ResumableStreams;
  #listeners: Listener[] = [];
  #round: NodeJS.Timeout | undefined;
  #over: ((stream: IncomingStream | OutgoingStream) => void) | undefined;
  #ceasing: Promise<void> | undefined;
  #closing: Promise<void> | undefined;

  constructor(parts: XmppEdgeParts) {
    this.#parts = parts;
    this.#gate = new Gate(parts.limits);
    const { host } = parts.context;
    this.#fences = new Fences((stanza) => host.delivered(stanza));
    this.#resumable = new ResumableStreams((stream, left) => this.#pool.lost(stream, left));
    this.#liveness = new Liveness(parts.context.options);
    this.#pool = new OutgoingPool(parts.context, {
      resolver: parts.resolver,
      random: parts.random,
      fences: this.#fences,
      pong: (element) => this.#pong(element),
      closed: (stream) => {
        this.#liveness.forget(stream);
        this.#over?.(stream);
      },
    });
  }

  /** Opens every listener; resolves with the addresses they got. Rejects with a {@link Fault} `listen-failed`. */
  async start(): Promise<(ListenOn & { port: number })[]> {
    this.#round = setInterval(() => this.#lookOver(Date.now()), ROUND_MS);
    const bound = [];
    for (const on of this.#parts.listen) {
      const listener = new Listener({
        host: on.host,
        port: on.port,
        gate: this.#gate,
        onConnection: (socket) => this.#accept(socket, on.tls === 'direct'),
        onRefused: (address) =>
          this.#parts.context.journal.refuse('connection-refused', 'connections-full', { address }),
      });
      this.#listeners.push(listener);
      bound.push({ ...on, ...(await listener.listen()) });
    }
    return bound;
  }

  send(home: string, partner: string, stanza: Stanza): Taken {
    return this.#pool.send(home, partner, stanza);
  }

  room(home: string, partner: string): void {
    const pair = `${home} ${partner}`;
    for (const stream of this.#incoming) stream.unblock(pair);
    for (const stream of this.#pool.streams) stream.unblock(pair);
  }

  /** New certificates or anchors: they hold from the next handshake on; streams that stand are left alone. */
  credentialsChanged(): void {
    this.#pool.renew();
  }

  /** Streams and queued stanzas, for metrics. */
  get load(): { incoming: number; outgoing: number; connections: number; queued: number } {
    return {
      incoming: this.#incoming.size,
      outgoing: this.#pool.streams.size,
      connections: this.#gate.connections,
      queued: this.#pool.queued,
    };
  }

  /** Policies have changed: streams whose evidence no longer suffices are closed, the others are left alone. */
  reconsider(): void {
    const { host } = this.#parts.context;
    this.#pool.renew();
    for (const stream of [...this.#incoming, ...this.#pool.streams]) {
      const verdicts = [...stream.proven].map(([domain, evidence]) => host.trust(domain, evidence));
      const lost = verdicts.find(({ sufficient }) => !sufficient);
      if (lost) stream.close(new StreamFault('reset', lost.reason, 'The policy has changed.', '', lost.place));
    }
  }

  /**
   * Takes nothing more from partners and resolves when what they had sent is in. Our stanzas still go out, so that
   * the home can be closed before {@link close} and loses nothing either.
   */
  cease(): Promise<void> {
    this.#ceasing ??= this.#cease();
    return this.#ceasing;
  }

  /** Flushes what streams hold, bounces what has none, and closes them all. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #cease(): Promise<void> {
    for (const listener of this.#listeners) listener.close();
    this.#listeners = [];
    this.#resumable.close();
    this.#pool.wane();
    await this.#end([...this.#incoming, ...[...this.#pool.streams].filter(({ bidi }) => bidi)]);
  }

  async #close(): Promise<void> {
    await this.cease();
    await this.#pool.drain(STOP_MS);
    this.#pool.close();
    await this.#end([...this.#incoming, ...this.#pool.streams]);
    clearInterval(this.#round);
  }

  /** Closes these streams and resolves when they are gone: dropped, where their peers take too long. */
  async #end(streams: readonly (IncomingStream | OutgoingStream)[]): Promise<void> {
    const left = new Set(streams);
    if (left.size === 0) return;
    const stopping = new Fault('shutting-down');
    const ended = new Promise<void>((resolve) => {
      this.#over = (stream) => {
        if (left.delete(stream) && left.size === 0) resolve();
      };
    });
    const limit = setTimeout(() => {
      for (const stream of left) stream.xml.destroy(stopping);
    }, STOP_MS);
    for (const stream of streams) stream.close(stopping);
    await ended;
    clearTimeout(limit);
  }

  #accept(socket: Socket, direct: boolean): void {
    if (this.#ceasing) {
      socket.destroy();
      return;
    }
    const stream = new IncomingStream(socket, direct, this.#parts.context, {
      verify: (home, partner, id, key) => this.#pool.verify(home, partner, id, key),
      adopt: (home, partner, adopted) => this.#pool.adopt(home, partner, adopted),
      fences: this.#fences,
      pong: (element) => this.#pong(element),
      room: (carrier) => this.#pool.pump(carrier),
      resumable: this.#resumable,
      closed: (closed, fault, left) => this.#closed(closed, fault, left),
    });
    this.#incoming.add(stream);
  }

  #pong(element: ScannedElement): boolean {
    return this.#fences.pong(element) || this.#liveness.pong(element);
  }

  #closed(stream: IncomingStream, fault: Fault | undefined, left: Left | undefined): void {
    this.#incoming.delete(stream);
    const { journal } = this.#parts.context;
    const facts = { ...stream.facts(), detail: fault?.message };
    if (fault && (stream.proven.size === 0 || fault instanceof StreamFault)) {
      const condition = fault instanceof StreamFault ? fault.condition : undefined;
      journal.refuse('stream-refused', fault.code, { ...facts, condition, rule: fault.place });
    } else journal.note('stream-closed', { ...facts, reason: fault?.code });
    if (left !== undefined) this.#pool.lost(stream, left);
    this.#over?.(stream);
  }

  #lookOver(now: number): void {
    for (const stream of this.#incoming) {
      this.#liveness.incoming(stream, now);
      stream.lookAfter(now);
    }
    for (const stream of this.#pool.streams) this.#liveness.outgoing(stream, now);
    this.#pool.sweep();
    this.#parts.context.streamSessions.sweep(now);
  }
}
