import type { Socket } from 'node:net';
import { asFault, type Fault } from '../../../policies/fault.ts';
import type { SipMessage } from '../message/message.ts';
import { plainAddress } from './address.ts';
import type { Clock } from './clock.ts';
import { type Ending, endings } from './ending.ts';
import type { Endpoint, Flow, Peer } from './flow.ts';
import { SipFramer } from './framer.ts';
import { KeepAlive, type KeepAliveOptions } from './keep-alive.ts';
import type { FlowLimits } from './limits.ts';
import { refusalOf } from './refusal.ts';

/** Who has the connection. */
export interface ConnectionOwner {
  message(connection: Connection, message: SipMessage): void;
  /** Once, when the socket is closed. `why`: a sentence. */
  closed(connection: Connection, ending: Ending, why: string): void;
  /** So many bytes more (or fewer) of incomplete messages are held. */
  held(bytes: number): void;
}

export interface ConnectionOptions {
  readonly id: number;
  readonly secure: boolean;
  readonly peer: Peer;
  readonly name: string;
  /** The domain of ours that the peer asked for, or whose certificate we showed. */
  readonly localName: string;
  readonly opened: 'by-us' | 'by-peer';
  readonly limits: FlowLimits;
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** Of flows that we opened; undefined: no pings. */
  readonly keepAlive: KeepAliveOptions | undefined;
}

const CRLF = Buffer.from('\r\n');
const PING = Buffer.from('\r\n\r\n');
/** How long a peer may take to close its half after ours, ms: nothing that it says then is read. */
const FAREWELL_MS = 2_000;
/** A peer that vanished without a word is found by the kernel too, where a flow is not pinged. */
const TCP_KEEP_ALIVE_MS = 60_000;

/** A flow over one socket, which is connected and, where it is to be secure, secured. Reads as soon as it is made. */
export class Connection implements Flow {
  readonly id: number;
  readonly secure: boolean;
  readonly remote: Endpoint;
  readonly local: Endpoint;
  readonly peer: Peer;
  readonly name: string;
  readonly localName: string;
  readonly opened: 'by-us' | 'by-peer';
  readonly #socket: Socket;
  readonly #owner: ConnectionOwner;
  readonly #limits: FlowLimits;
  readonly #clock: Clock;
  readonly #framer: SipFramer;
  readonly #keepAlive: KeepAlive;
  #pending: Buffer[] = [];
  #pendingBytes = 0;
  #flushing: NodeJS.Immediate | undefined;
  #written = 0;
  /** How much of that the kernel had taken when it last took more. */
  #taken: { readonly bytes: number; readonly at: number };
  #ending: { readonly code: Ending; readonly why: string } | undefined;
  #over = false;
  #counted = 0;
  /** When something of these last happened, on the clock. */
  #readAt: number;
  #incompleteSince: number | undefined;
  readonly #openedAt: number;
  #messages = 0;
  #cutAt = Number.POSITIVE_INFINITY;

  constructor(socket: Socket, owner: ConnectionOwner, options: ConnectionOptions) {
    this.id = options.id;
    this.secure = options.secure;
    this.peer = options.peer;
    this.name = options.name;
    this.localName = options.localName;
    this.opened = options.opened;
    this.remote = endpointOf(socket.remoteAddress, socket.remotePort);
    this.local = endpointOf(socket.localAddress, socket.localPort);
    this.#socket = socket;
    this.#owner = owner;
    this.#limits = options.limits;
    this.#clock = options.clock;
    this.#openedAt = options.clock.now();
    this.#readAt = this.#openedAt;
    this.#taken = { bytes: 0, at: this.#openedAt };
    this.#keepAlive = new KeepAlive(options.keepAlive, options.limits.blankLines, options.random, this.#openedAt);
    this.#framer = new SipFramer(
      { message: (message) => this.#message(message), blankLine: () => this.#blankLine() },
      options.limits,
    );
    this.#attach(socket);
  }

  get open(): boolean {
    return this.#ending === undefined;
  }

  get backlog(): number {
    return this.#pendingBytes + this.#socket.writableLength;
  }

  send(message: Buffer): void {
    if (!this.open) return;
    this.#write(message);
    if (this.backlog > this.#limits.backlogBytes) this.#cut('backlog');
  }

  close(reason?: string): void {
    this.#end('by-us', reason);
  }

  /** Bytes of an incomplete message. */
  get held(): number {
    return this.#counted;
  }

  /** Ends it for what it holds. */
  relieve(): void {
    this.#cut('memory');
  }

  /** To be called about once a second: holds the time limits, and pings where it is time to. */
  tick(now: number): void {
    if (this.#ending !== undefined) {
      if (now >= this.#cutAt) this.#socket.destroy();
      return;
    }
    const { firstMessageMs, incompleteMs, idleMs, unreadMs } = this.#limits;
    const since = this.#incompleteSince;
    if (since !== undefined && now - since >= incompleteMs) this.#end('incomplete');
    else if (this.#unheard && now - this.#openedAt >= firstMessageMs) this.#end('no-message');
    else if (now - this.#readAt >= idleMs) this.#end('idle');
    else if (this.#unreadFor(now) >= unreadMs) this.#cut('backlog');
    else this.#keepAwake(now);
  }

  /** How long nothing has moved of what waits for the peer; a slow one under steady traffic never takes all of it. */
  #unreadFor(now: number): number {
    const taken = this.#written - this.#socket.writableLength;
    if (this.#socket.writableLength === 0 || taken > this.#taken.bytes) this.#taken = { bytes: taken, at: now };
    return now - this.#taken.at;
  }

  /** Whether the peer came and has not said anything yet. */
  get #unheard(): boolean {
    return this.opened === 'by-peer' && this.#messages === 0;
  }

  #keepAwake(now: number): void {
    const due = this.#keepAlive.due(now);
    if (due === 'dead') this.#cut('no-pong');
    else if (due === 'ping') this.send(PING);
  }

  #attach(socket: Socket): void {
    socket.setNoDelay(true);
    socket.setKeepAlive(true, TCP_KEEP_ALIVE_MS);
    socket.on('data', (chunk: Buffer) => this.#read(chunk));
    socket.on('end', () => this.#end('by-peer'));
    socket.on('error', (error) => {
      this.#ending ??= { code: 'broken', why: `${endings.broken} ${error.message}` };
    });
    socket.on('close', () => this.#closed());
  }

  #read(chunk: Buffer): void {
    if (!this.open) return;
    const now = this.#clock.now();
    const before = this.#messages;
    this.#readAt = now;
    try {
      this.#framer.push(chunk);
    } catch (thrown) {
      this.#refuse(asFault(thrown));
      return;
    }
    if (this.#framer.held === 0) this.#incompleteSince = undefined;
    else if (this.#messages > before || this.#incompleteSince === undefined) this.#incompleteSince = now;
    this.#count();
  }

  #message(message: SipMessage): void {
    this.#messages++;
    this.#keepAlive.message();
    this.#owner.message(this, message);
  }

  #blankLine(): void {
    const heard = this.#keepAlive.blankLine(this.#clock.now());
    if (heard === 'flood') this.#cut('keep-alive-flood');
    else if (heard === 'ping') this.send(CRLF);
  }

  /** The stream cannot be read further: says so where that can be said, and closes. */
  #refuse(fault: Fault): void {
    const message = this.#framer.refusable;
    const refusal = message && refusalOf(message, fault);
    if (refusal !== undefined) this.send(refusal);
    const code = fault.code === 'sip-too-big' ? 'too-big' : fault.code === 'sip-malformed' ? 'malformed' : 'internal';
    this.#end(code, `${endings[code]} ${fault.message}`);
  }

  /** Tells the owner how much is held now. */
  #count(): void {
    const change = this.#framer.held - this.#counted;
    if (change === 0) return;
    this.#counted += change;
    this.#owner.held(change);
  }

  /** What one turn of the event loop sends leaves in one write, and so in as few TLS records as may be. */
  #write(bytes: Buffer): void {
    this.#pending.push(bytes);
    this.#pendingBytes += bytes.length;
    this.#flushing ??= setImmediate(() => this.#flush());
  }

  #flush(): void {
    clearImmediate(this.#flushing);
    this.#flushing = undefined;
    const [first] = this.#pending;
    if (first === undefined) return;
    const bytes = this.#pending.length === 1 ? first : Buffer.concat(this.#pending, this.#pendingBytes);
    this.#pending = [];
    this.#pendingBytes = 0;
    if (!this.#socket.writable) return;
    this.#written += bytes.length;
    this.#socket.write(bytes);
  }

  /** In good order: what waits goes out, TLS and TCP are closed; then the peer has a moment to do the same. */
  #end(code: Ending, why: string = endings[code]): void {
    if (!this.open) return;
    this.#ending = { code, why };
    this.#cutAt = this.#clock.now() + FAREWELL_MS;
    this.#framer.stop();
    this.#count();
    this.#flush();
    this.#socket.end();
  }

  #cut(code: Ending): void {
    this.#ending ??= { code, why: endings[code] };
    this.#framer.stop();
    this.#count();
    this.#socket.destroy();
  }

  #closed(): void {
    if (this.#over) return;
    this.#over = true;
    this.#ending ??= { code: 'by-peer', why: endings['by-peer'] };
    clearImmediate(this.#flushing);
    this.#pending = [];
    this.#pendingBytes = 0;
    this.#framer.stop();
    this.#count();
    this.#owner.closed(this, this.#ending.code, this.#ending.why);
  }
}

function endpointOf(address: string | undefined, port: number | undefined): Endpoint {
  return { host: plainAddress(address ?? ''), port: port ?? 0 };
}
