import type { Socket } from 'node:net';
import { Fault } from '../../policies/fault.ts';
import type { Edge } from '../bridge/ports.ts';
import type { Stanza } from '../bridge/stanza.ts';
import type { Resolver } from '../dns/resolver.ts';
import type { EdgeContext } from './edge-context.ts';
import { CLOSE_MS } from './edge-context.ts';
import { IncomingStream } from './incoming.ts';
import { Gate, Listener, type ListenerLimits } from './listener.ts';
import { Liveness } from './liveness.ts';
import { OutgoingPool } from './outgoing-pool.ts';
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

/** The XMPP edge: server-to-server streams of partners, both ways. */
export class XmppEdge implements Edge {
  readonly #parts: XmppEdgeParts;
  readonly #gate: Gate;
  readonly #pool: OutgoingPool;
  readonly #liveness: Liveness;
  readonly #incoming = new Set<IncomingStream>();
  #listeners: Listener[] = [];
  #round: NodeJS.Timeout | undefined;
  #emptied: (() => void) | undefined;

  constructor(parts: XmppEdgeParts) {
    this.#parts = parts;
    this.#gate = new Gate(parts.limits);
    this.#liveness = new Liveness(parts.context.options);
    this.#pool = new OutgoingPool(parts.context, {
      resolver: parts.resolver,
      random: parts.random,
      pong: (element) => this.#liveness.pong(element),
      closed: (stream) => {
        this.#liveness.forget(stream);
        this.#settle();
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

  send(home: string, partner: string, stanza: Stanza): boolean {
    return this.#pool.send(home, partner, stanza);
  }

  room(home: string, partner: string): void {
    const pair = `${home} ${partner}`;
    for (const stream of this.#incoming) stream.unblock(pair);
    for (const stream of this.#pool.streams) stream.unblock(pair);
  }

  /** New certificates or anchors: they hold from the next handshake on; streams that stand are left alone. */
  credentialsChanged(): void {
    this.#pool.forgetSessions();
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
    const fault = new StreamFault('reset', 'trust-insufficient', 'The policy has changed.');
    for (const stream of this.#incoming) {
      const stands = [...stream.provenDomains].every(([domain, evidence]) => host.trust(domain, evidence).sufficient);
      if (!stands) stream.close(fault);
    }
    for (const stream of this.#pool.streams) {
      if (stream.ready && !host.trust(stream.partner, stream.evidence).sufficient) stream.close(fault);
    }
  }

  /** Accepts nothing more, flushes what streams hold, bounces what has none, and closes them all. */
  async close(): Promise<void> {
    clearInterval(this.#round);
    for (const listener of this.#listeners) listener.close();
    this.#listeners = [];
    this.#pool.close();
    const streams = [...this.#incoming, ...this.#pool.streams];
    if (streams.length === 0) return;
    const emptied = new Promise<void>((resolve) => {
      this.#emptied = resolve;
    });
    const stopping = new Fault('shutting-down');
    for (const stream of streams) stream.close(stopping);
    const timer = setTimeout(() => {
      for (const stream of [...this.#incoming, ...this.#pool.streams]) stream.xml.destroy(stopping);
    }, CLOSE_MS);
    await emptied;
    clearTimeout(timer);
  }

  #accept(socket: Socket, direct: boolean): void {
    const stream = new IncomingStream(socket, direct, this.#parts.context, {
      verify: (home, partner, id, key) => this.#pool.verify(home, partner, id, key),
      adopt: (home, partner, adopted) => this.#pool.adopt(home, partner, adopted),
      pong: (element) => this.#liveness.pong(element),
      room: (carrier) => this.#pool.pump(carrier),
      closed: (closed, fault) => this.#closed(closed, fault),
    });
    this.#incoming.add(stream);
  }

  #closed(stream: IncomingStream, fault: Fault | undefined): void {
    this.#incoming.delete(stream);
    const { journal } = this.#parts.context;
    const facts = { ...stream.facts(), detail: fault?.message };
    if (fault && (stream.provenDomains.size === 0 || fault instanceof StreamFault)) {
      const condition = fault instanceof StreamFault ? fault.condition : undefined;
      journal.refuse('stream-refused', fault.code, { ...facts, condition, rule: fault.place });
    } else journal.note('stream-closed', { ...facts, reason: fault?.code });
    this.#pool.lost(stream, []);
    this.#settle();
  }

  #settle(): void {
    if (this.#incoming.size === 0 && this.#pool.streams.size === 0) this.#emptied?.();
  }

  #lookOver(now: number): void {
    for (const stream of this.#incoming) this.#liveness.incoming(stream, now);
    for (const stream of this.#pool.streams) this.#liveness.outgoing(stream, now);
    this.#pool.sweep();
  }
}
