import type { Socket } from 'node:net';
import type { SecureContext, TLSSocket } from 'node:tls';
import { endpointText } from '../../../policies/address.ts';
import { Fault } from '../../../policies/fault.ts';
import { Coalescer } from '../../dns/coalescer.ts';
import type { SipMessage, SipRequest } from '../message/message.ts';
import { AliasTable } from './alias-table.ts';
import { type Clock, systemClock, type Timer } from './clock.ts';
import { Connection } from './connection.ts';
import { connectSocket, type Dial, dialTcp } from './connector.ts';
import type { Ending } from './ending.ts';
import type { Endpoint, Flow, FlowTarget, FlowUser, Peer } from './flow.ts';
import { FlowCount, type FlowCounters } from './flow-count.ts';
import { Gate, type Refusal } from './gate.ts';
import { defaultKeepAlive, type KeepAliveOptions } from './keep-alive.ts';
import { defaultLimits, type FlowLimits } from './limits.ts';
import { Listener, type ListenOptions } from './listener.ts';
import { defaultOverload, Overload, type OverloadOptions } from './overload.ts';
import { type Judge, PeerJudge } from './peer-judge.ts';
import { chainOf, type MinVersion, type SecureContextFor, ServerTls } from './tls.ts';

export interface FlowsOptions {
  readonly user: FlowUser;
  /** Our certificate by domain of ours: for SNI of peers ('' for none) and for `localName` of connections of ours. */
  readonly secureContextFor: SecureContextFor;
  /** The SIP domains that a leaf (DER) names (RFC 5922 §7.1); may throw where it cannot be read. */
  readonly identitiesOf: (leaf: Buffer) => readonly string[];
  /** Whether a peer is who we want: asked for each TLS connection of ours, and before one that a peer opened is reused. */
  readonly judge: Judge;
  /** Told of each connection that is refused before it is a flow. */
  readonly refused?: ((refusal: Refusal, address: string) => void) | undefined;
  readonly limits?: Partial<FlowLimits> | undefined;
  readonly keepAlive?: Partial<KeepAliveOptions> | undefined;
  readonly overload?: Partial<OverloadOptions> | undefined;
  /** Of connections that peers open; default TLSv1.2. That of ours is in their contexts. */
  readonly minVersion?: MinVersion | undefined;
  readonly clock?: Clock | undefined;
  /** Uniform in [0, 1). */
  readonly random?: (() => number) | undefined;
  readonly dial?: Dial | undefined;
}

/** RFC 3261 §19.1.2: where a peer listens that names no port. */
const SIPS_PORT = 5061;
/** How often the time limits of all flows are looked at, ms. */
const TICK_MS = 1_000;

/** All connections of the SIP side: listens, connects, reuses (RFC 5923), and ends what breaks a limit. */
export class Flows {
  readonly #options: FlowsOptions;
  readonly #limits: FlowLimits;
  readonly #keepAlive: KeepAliveOptions;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #serverTls: ServerTls;
  readonly #gate: Gate;
  readonly #judge: PeerJudge;
  readonly #overload: Overload;
  readonly #aliases = new AliasTable();
  readonly #count = new FlowCount();
  readonly #connections = new Set<Connection>();
  readonly #listeners = new Set<Listener>();
  readonly #connecting = new Coalescer<Flow>(Number.POSITIVE_INFINITY);
  #dialling = 0;
  #lastId = 0;
  #ticking: Timer | undefined;
  #closing: Promise<void> | undefined;
  #emptied: (() => void) | undefined;

  constructor(options: FlowsOptions) {
    this.#options = options;
    this.#limits = { ...defaultLimits, ...options.limits };
    this.#keepAlive = { ...defaultKeepAlive, ...options.keepAlive };
    this.#clock = options.clock ?? systemClock;
    this.#random = options.random ?? Math.random;
    this.#serverTls = new ServerTls(options.secureContextFor, options.minVersion ?? 'TLSv1.2');
    this.#gate = new Gate(this.#limits, this.#clock);
    this.#judge = new PeerJudge(options.judge, this.#clock);
    this.#overload = new Overload({ ...defaultOverload, ...options.overload }, this.#clock);
  }

  /** Opens a listener; resolves with the address it got. Rejects with a {@link Fault} `listen-failed`. */
  async listen(at: ListenOptions): Promise<Endpoint> {
    const listener = new Listener({
      at,
      gate: this.#gate,
      clock: this.#clock,
      handshakeMs: this.#limits.handshakeMs,
      tls: this.#serverTls,
      accepted: (socket, tls) => this.#accept(socket, tls),
      refused: (refusal, address) => this.#refuse(refusal, address),
    });
    const bound = await listener.listen();
    if (this.#closing !== undefined) {
      await listener.close();
      throw new Fault('shutting-down');
    }
    this.#listeners.add(listener);
    return bound;
  }

  /**
   * A flow to the target: one that stands and may be reused, else a new one; equal calls under way share it. Rejects
   * with `remote-unreachable`, `tls-failed`, `certificate-unusable` (none of ours for `localName`), `connections-full`,
   * `shutting-down`, what `judge` says, or the reason of the signal.
   */
  async connect(target: FlowTarget, signal?: AbortSignal): Promise<Flow> {
    signal?.throwIfAborted();
    const standing = this.standing(target);
    if (standing !== undefined) return standing;
    const key = `${target.tls} ${endpointText(target)} ${target.name} ${target.localName}`;
    return this.#connecting.run(key, (abandoned) => this.#open(target, abandoned), signal);
  }

  /** A flow that stands and over which requests to `target.name` may go (RFC 5923 §8.2), the newest first. */
  standing(target: FlowTarget): Flow | undefined {
    return this.#aliases.to(target).find((connection) => this.#fits(connection, target));
  }

  /** All that stand, those being closed among them. */
  flows(): Iterable<Flow> {
    return this.#connections.values();
  }

  /** Whether new requests should be shed (503 with Retry-After), because the event loop is late. */
  overloaded(): boolean {
    return this.#overload.overloaded;
  }

  get counters(): FlowCounters {
    return this.#count.snapshot();
  }

  /** Closes everything in good order; resolves when nothing is left. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#overload.close();
    const closed = [...this.#listeners].map((listener) => listener.close());
    this.#connecting.abortAll(new Fault('shutting-down'));
    for (const connection of this.#connections) connection.close('The gateway is stopping.');
    if (this.#connections.size > 0) {
      await new Promise<void>((resolve) => {
        this.#emptied = resolve;
      });
    }
    await Promise.all(closed);
  }

  async #open(target: FlowTarget, signal: AbortSignal): Promise<Flow> {
    if (this.#closing !== undefined) throw new Fault('shutting-down');
    const context = target.tls ? this.#contextFor(target.localName) : undefined;
    if (this.#count.openByUs + this.#dialling >= this.#limits.outgoing) throw new Fault('connections-full');
    this.#dialling++;
    try {
      const [clock, limits, dial] = [this.#clock, this.#limits, this.#options.dial ?? dialTcp];
      const { socket, tls } = await connectSocket(target, context, { clock, limits, dial }, signal);
      return this.#adoptOurs(target, socket, tls);
    } finally {
      this.#dialling--;
    }
  }

  #adoptOurs(target: FlowTarget, socket: Socket, tls: TLSSocket | undefined): Flow {
    const peer = this.#peerOf(tls);
    const fault = this.#againstOurs(target, socket, tls && peer);
    if (fault !== undefined) {
      socket.destroy();
      throw fault;
    }
    const { name, localName } = target;
    const connection = this.#adopt(socket, { secure: tls !== undefined, peer, name, localName, opened: 'by-us' });
    this.#aliases.add(connection.remote, connection);
    this.#aliases.add(target, connection);
    return connection;
  }

  /** What speaks against a connection that has just been made. */
  #againstOurs(target: FlowTarget, socket: Socket, peer: Peer | undefined): Fault | undefined {
    if (this.#closing !== undefined) return new Fault('shutting-down');
    const gone = `${endpointText(target)} closed the connection at once.`;
    if (socket.destroyed) return new Fault('remote-unreachable', gone);
    return peer && this.#judge.against(peer, target.name);
  }

  #accept(socket: Socket, tls: TLSSocket | undefined): void {
    const name = (tls && sniOf(tls)) ?? '';
    const peer = this.#peerOf(tls);
    this.#adopt(socket, { secure: tls !== undefined, peer, name, localName: name, opened: 'by-peer' });
  }

  #adopt(socket: Socket, facts: Pick<Connection, 'secure' | 'peer' | 'name' | 'localName' | 'opened'>): Connection {
    const connection = new Connection(socket, this.#owner, {
      ...facts,
      id: ++this.#lastId,
      limits: this.#limits,
      clock: this.#clock,
      random: this.#random,
      keepAlive: facts.opened === 'by-us' ? this.#keepAlive : undefined,
    });
    this.#connections.add(connection);
    this.#count.add(connection);
    this.#ticking ??= this.#clock.setTimeout(() => this.#tick(), TICK_MS);
    return connection;
  }

  readonly #owner = {
    message: (connection: Connection, message: SipMessage): void => {
      if (message.kind === 'request' && connection.secure && connection.opened === 'by-peer')
        this.#alias(connection, message);
      this.#options.user.message(connection, message);
    },
    held: (bytes: number): void => {
      this.#count.heldBytes += bytes;
      if (bytes > 0 && this.#count.heldBytes > this.#limits.heldBytes) this.#relieve();
    },
    closed: (connection: Connection, ending: Ending, why: string): void => {
      this.#aliases.delete(connection);
      this.#connections.delete(connection);
      this.#count.end(connection, ending);
      if (this.#connections.size === 0) this.#rest();
      this.#options.user.closed(connection, why, ending);
    },
  };

  /** Ends the flow that holds most: an honest message is small, and must not pay for others. */
  #relieve(): void {
    let most: Connection | undefined;
    for (const connection of this.#connections) {
      if (connection.held > (most?.held ?? 0)) most = connection;
    }
    most?.relieve();
  }

  /** The last connection is gone. */
  #rest(): void {
    this.#ticking?.clear();
    this.#ticking = undefined;
    this.#emptied?.();
  }

  #tick(): void {
    const now = this.#clock.now();
    this.#ticking = this.#clock.setTimeout(() => this.#tick(), TICK_MS);
    for (const connection of this.#connections) connection.tick(now);
  }

  /** The peer asks that requests towards it take its own connection: RFC 5923 §8.1, over TLS with certificates only. */
  #alias(connection: Connection, request: SipRequest): void {
    if (connection.peer.identities.length === 0) return;
    const port = aliasPort(request);
    if (port !== undefined) this.#aliases.add({ host: connection.remote.host, port }, connection);
  }

  #fits(connection: Connection, target: FlowTarget): boolean {
    if (!connection.open || connection.secure !== target.tls) return false;
    // A peer without SNI was shown what we show for no name, and did not care which of ours it speaks to.
    if (connection.localName !== target.localName && connection.localName !== '') return false;
    return target.tls ? this.#judge.trusts(connection, target.name) : connection.name === target.name;
  }

  #contextFor(localName: string): SecureContext {
    const context = this.#options.secureContextFor(localName);
    if (context !== undefined) return context;
    throw new Fault('certificate-unusable', `No certificate of ours names ${localName}.`);
  }

  #peerOf(tls: TLSSocket | undefined): Peer {
    if (tls === undefined) return { chain: [], identities: [] };
    const chain = chainOf(tls);
    return { chain, identities: this.#identitiesOf(chain[0]) };
  }

  #identitiesOf(leaf: Buffer | undefined): readonly string[] {
    try {
      return leaf === undefined ? [] : this.#options.identitiesOf(leaf);
    } catch {
      return [];
    }
  }

  #refuse(refusal: Refusal, address: string): void {
    this.#count.refuse(refusal);
    this.#options.refused?.(refusal, address);
  }
}

/** The port of the sent-by of a request whose Via has `;alias`; undefined where it has none or cannot be read. */
function aliasPort(request: SipRequest): number | undefined {
  try {
    const via = request.topVia;
    return via.params.has('alias') ? (via.port ?? SIPS_PORT) : undefined;
  } catch {
    return undefined;
  }
}

function sniOf(tls: TLSSocket): string | undefined {
  const { servername } = tls as TLSSocket & { readonly servername?: string | false | null };
  return servername ? servername.toLowerCase() : undefined;
}
