import { BlockList, isIPv6, type Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { WebSocket } from 'ws';
import { endpointText } from '../../../policies/address.ts';
import { Fault } from '../../../policies/fault.ts';
import type { Journal } from '../../bridge/journal.ts';
import type { Store } from '../../store/store.ts';
import { Gate, Listener, type ListenerLimits } from '../../xmpp/listener.ts';
import type { OwnCertificates } from '../../xmpp/own-certificates.ts';
import type { ScannerLimits } from '../../xmpp/scanner.ts';
import type { Accounts } from './accounts.ts';
import { channelBindings, noBindings } from './channel-binding.ts';
import { ClientSessionTable } from './client-session-table.ts';
import { ClientSessions } from './client-sessions.ts';
import { ClientStream, type ClientStreamContext } from './client-stream.ts';
import type { ClientTransport, ClientTransportEvents } from './client-transport.ts';
import { LockOut, type LockOutLimits } from './lock-out.ts';
import type { SessionHost } from './session.ts';
import type { QueueBounds } from './session-queue.ts';
import { TcpTransport } from './tcp-transport.ts';
import { WebSocketDoor } from './web-socket-door.ts';
import { WebSocketTransport } from './web-socket-transport.ts';

/** Where clients arrive, and over what; `websocket-clear` only on a loopback address, for a proxy that has TLS. */
export interface ClientListenOn {
  readonly host: string;
  readonly port: number;
  readonly over: 'starttls' | 'direct' | 'websocket' | 'websocket-clear';
}

/** Settings as plain numbers: ms, bytes, counts. */
export interface ClientEdgeOptions {
  readonly scanner: ScannerLimits;
  /** Most that is read of a stream before its client has signed in. */
  readonly unprovenBytes: number;
  /** From accepting a connection to a bound resource. */
  readonly authTimeoutMs: number;
  /** Silence after which a client is asked whether it lives. */
  readonly idleMs: number;
  /** How long a session whose connection broke may be resumed (XEP-0198). */
  readonly resumptionMs: number;
  readonly tlsRequired: boolean;
  /** Sessions of one user at a time. */
  readonly resources: number;
  readonly lockOut: LockOutLimits;
  /** What one session holds of stanzas that its client has not taken. */
  readonly queue: QueueBounds;
  /** Further stream features of a signed-in client, as XML: roster versions, capabilities. */
  readonly features: readonly string[];
}

export interface ClientEdgeParts {
  /** The users' side; told of restored sessions during {@link ClientEdge.start}. */
  readonly host: SessionHost;
  readonly store: Pick<Store, 'prepare' | 'write' | 'writeLast'>;
  readonly accounts: Accounts;
  readonly certificates: OwnCertificates;
  readonly journal: Journal;
  /** The domains that clients sign in to, folded; the first one's certificate is shown where a client names none. */
  readonly domains: readonly string[];
  readonly listen: readonly ClientListenOn[];
  readonly limits: ListenerLimits;
  readonly options: ClientEdgeOptions;
  /** The wall clock, ms since 1970. */
  now(): number;
}

/** As many connections as come. */
const ANY = { count: Number.MAX_SAFE_INTEGER, periodMs: 60_000 };
/** How often standing sessions are looked over, ms. */
const ROUND_MS = 10_000;
/** How long clients are given to close their streams when we stop, ms. */
const STOP_MS = 3_000;

/** Where the clients of local users arrive: listeners, streams and sessions. */
export class ClientEdge {
  readonly #parts: ClientEdgeParts;
  readonly #gate: Gate;
  /** In front of what a proxy connects: all of it comes from one address. Its clients are counted once they are known. */
  readonly #proxyGate: Gate;
  readonly #sessions: ClientSessions;
  readonly #context: ClientStreamContext;
  readonly #streams = new Set<ClientStream>();
  readonly #doors = new Set<WebSocketDoor>();
  #listeners: Listener[] = [];
  #round: NodeJS.Timeout | undefined;
  #emptied: (() => void) | undefined;
  #closing: Promise<void> | undefined;

  constructor(parts: ClientEdgeParts) {
    this.#parts = parts;
    const { host, store, accounts, journal, domains, options, now } = parts;
    this.#gate = new Gate(parts.limits);
    const { connections } = parts.limits;
    this.#proxyGate = new Gate({ connections, perAddress: connections, attempts: ANY });
    this.#sessions = new ClientSessions({
      host,
      accounts,
      table: new ClientSessionTable(store),
      bounds: options.queue,
      resources: options.resources,
      resumptionMs: options.resumptionMs,
      now,
    });
    const home = new Set(domains);
    this.#context = {
      ...options,
      accounts,
      journal,
      now,
      sessions: this.#sessions,
      lockOut: new LockOut(options.lockOut),
      stanzaBytes: options.scanner.elementBytes,
      isHome: (domain) => home.has(domain),
      whenKept: (then) => host.whenKept(then),
      opened: (session) => host.opened(session),
    };
  }

  /**
   * Takes up the sessions of before a restart and opens every listener; resolves with the addresses they got. Rejects
   * with a {@link Fault} `listen-failed`, or `config-invalid` where clear WebSocket is to leave the machine.
   */
  async start(): Promise<ClientListenOn[]> {
    this.#sessions.restore();
    this.#round = setInterval(() => this.lookOver(this.#parts.now()), ROUND_MS);
    const bound: ClientListenOn[] = [];
    for (const on of this.#parts.listen) {
      requireLoopback(on);
      const listener = new Listener({
        host: on.host,
        port: on.port,
        gate: on.over === 'websocket-clear' ? this.#proxyGate : this.#gate,
        onConnection: this.#welcome(on.over),
        onRefused: (address) => this.#refused(address),
      });
      this.#listeners.push(listener);
      bound.push({ ...on, ...(await listener.listen()) });
    }
    return bound;
  }

  /** Connections, sessions (those that may still be resumed included) and those without a stream, for metrics. */
  get load(): { connections: number; sessions: number; detached: number } {
    return { connections: this.#gate.connections, sessions: this.#sessions.size, detached: this.#sessions.detached };
  }

  /** Probes the silent, ends what nobody resumed in time or whose user is gone. It is called now and then by itself. */
  lookOver(now: number): void {
    this.#sessions.lookOver(now);
    for (const stream of [...this.#streams]) stream.lookOver(now);
  }

  /** Accepts nothing more, tells the clients, and resolves when their streams are gone. Sessions may be resumed after a restart. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    clearInterval(this.#round);
    for (const listener of this.#listeners) listener.close();
    for (const door of this.#doors) door.close();
    this.#sessions.suspend();
    const stopping = new Fault('shutting-down');
    for (const stream of [...this.#streams]) stream.close(stopping);
    if (this.#streams.size === 0) return;
    const emptied = new Promise<void>((resolve) => {
      this.#emptied = resolve;
    });
    const limit = setTimeout(() => {
      for (const stream of [...this.#streams]) stream.destroy(stopping);
    }, STOP_MS);
    await emptied;
    clearTimeout(limit);
  }

  #welcome(over: ClientListenOn['over']): (socket: Socket) => void {
    const { certificates, options, domains } = this.#parts;
    if (over === 'starttls' || over === 'direct') {
      const tcp = { ...options, certificates, direct: over === 'direct' };
      return (socket) => this.#accept((events) => new TcpTransport(socket, tcp, events), socket);
    }
    const door = new WebSocketDoor({
      certificates: over === 'websocket' ? certificates : undefined,
      domain: domains[0] ?? '',
      maxBytes: options.scanner.elementBytes,
      timeoutMs: options.authTimeoutMs,
      admit: async (socket, address) => {
        // A proxy that does not tell whom it brings must count itself.
        if (over === 'websocket' || address === '' || (await this.#gate.admit(socket, address))) return true;
        this.#refused(address);
        return false;
      },
      opened: (webSocket, socket, address) =>
        this.#accept((events) => this.#overWebSocket(webSocket, socket, address, events), socket),
    });
    this.#doors.add(door);
    return (socket) => door.take(socket);
  }

  #refused(address: string): void {
    this.#parts.journal.refuse('connection-refused', 'connections-full', { address });
  }

  #overWebSocket(
    webSocket: WebSocket,
    socket: Socket,
    address: string,
    events: ClientTransportEvents,
  ): ClientTransport {
    const { scanner, unprovenBytes } = this.#parts.options;
    const tls = socket instanceof TLSSocket ? socket : undefined;
    const bindings = tls ? channelBindings(tls, 'server', tls.getX509Certificate()) : noBindings;
    // In clear it comes over loopback from a proxy, which has the TLS.
    const options = { scanner, unprovenBytes, secured: true, bindings, address };
    return new WebSocketTransport(webSocket, socket, options, events);
  }

  #accept(carry: (events: ClientTransportEvents) => ClientTransport, socket: Socket): void {
    if (this.#closing) {
      socket.destroy();
      return;
    }
    const stream = new ClientStream(this.#context, carry, (over) => {
      this.#streams.delete(over);
      if (this.#streams.size === 0) this.#emptied?.();
    });
    this.#streams.add(stream);
  }
}

function requireLoopback({ over, host, port }: ClientListenOn): void {
  if (over !== 'websocket-clear') return;
  const loopback = new BlockList();
  loopback.addSubnet('127.0.0.0', 8, 'ipv4');
  loopback.addAddress('::1', 'ipv6');
  if (host === 'localhost' || loopback.check(host, isIPv6(host) ? 'ipv6' : 'ipv4')) return;
  throw new Fault('config-invalid', `WebSocket in clear on ${endpointText({ host, port })} leaves the machine.`, {
    remedy: 'Bind it to 127.0.0.1, or use WebSocket with TLS.',
  });
}
