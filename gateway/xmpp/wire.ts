import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';

export interface WireEvents {
  data(chunk: Buffer): void;
  /** Room again after {@link Wire.full}. */
  drain(): void;
  /** The connection is gone; called once. */
  closed(error: Error | undefined): void;
}

/** Bytes waiting for the kernel above which a sender should stop: a few round trips of a fast link, no more. */
const FULL_BYTES = 256 * 1024;
const KEEP_ALIVE_MS = 60_000;

/**
 * One connection: gathers the writes of a turn into one, tells when it is full, and ends a peer that does not read.
 * TLS may be laid over it once ({@link Wire.replace}).
 */
export class Wire {
  readonly remoteAddress: string;
  #socket: Socket;
  readonly #events: WireEvents;
  readonly #stallMs: number;
  #pending: Buffer[] = [];
  #pendingBytes = 0;
  #written = 0;
  #stall: NodeJS.Timeout | undefined;
  #closed = false;
  #paused = false;
  #error: Error | undefined;
  readonly #flushSoon = (): void => this.flush();
  readonly #listeners = {
    data: (chunk: Buffer): void => {
      if (!this.#closed) this.#events.data(chunk);
    },
    drain: (): void => {
      clearTimeout(this.#stall);
      this.#stall = undefined;
      this.#events.drain();
    },
    error: (error: Error): void => {
      this.#error ??= error;
    },
    end: (): void => this.end(),
    close: (): void => this.#settle(),
  };

  /** `stallMs`: how long written bytes may stay unread by the peer. */
  constructor(socket: Socket, events: WireEvents, stallMs: number) {
    this.#socket = socket;
    this.#events = events;
    this.#stallMs = stallMs;
    this.remoteAddress = socket.remoteAddress ?? '';
    this.#attach(socket);
  }

  get socket(): Socket {
    return this.#socket;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Bytes written and not yet taken by the kernel. */
  get backlog(): number {
    return this.#socket.writableLength + this.#pendingBytes;
  }

  get full(): boolean {
    return this.backlog > FULL_BYTES;
  }

  /** Queues bytes; all of one turn leave in one write. */
  write(data: Buffer | string): void {
    if (this.#closed) return;
    const bytes = typeof data === 'string' ? Buffer.from(data) : data;
    if (this.#pending.length === 0) queueMicrotask(this.#flushSoon);
    this.#pending.push(bytes);
    this.#pendingBytes += bytes.length;
  }

  flush(): void {
    if (this.#pending.length === 0 || this.#closed) return;
    const bytes =
      this.#pending.length === 1 ? (this.#pending[0] as Buffer) : Buffer.concat(this.#pending, this.#pendingBytes);
    this.#pending = [];
    this.#pendingBytes = 0;
    this.#written += bytes.length;
    if (!this.#socket.write(bytes) && this.#stall === undefined) this.#watchStall();
  }

  pause(): void {
    this.#paused = true;
    this.#socket.pause();
  }

  resume(): void {
    this.#paused = false;
    this.#socket.resume();
  }

  get paused(): boolean {
    return this.#paused;
  }

  /** Stops reading and listening on the bare socket, for TLS to take it over. */
  detach(): Socket {
    this.flush();
    clearTimeout(this.#stall);
    this.#stall = undefined;
    const socket = this.#socket;
    for (const [event, listener] of Object.entries(this.#listeners)) socket.off(event, listener);
    // An error under TLS is told by the TLS socket; an unheard 'error' event would end the process.
    socket.on('error', () => undefined);
    socket.pause();
    return socket;
  }

  /** Continues on a TLS socket laid over the bare one. */
  replace(secured: TLSSocket): void {
    this.#socket = secured;
    this.#attach(secured);
  }

  /** Flushes and closes our half; the peer's close, or {@link destroy}, does the rest. */
  end(): void {
    this.flush();
    if (!this.#closed) this.#socket.end();
  }

  destroy(error?: Error): void {
    this.#error ??= error;
    this.#socket.destroy();
    if (this.#closed) return;
    this.#settle();
  }

  /** A slow peer under steady traffic never drains; it is only gone when nothing moves at all. */
  #watchStall(): void {
    const moved = this.#written - this.#socket.writableLength;
    this.#stall = setTimeout(() => {
      if (this.#written - this.#socket.writableLength > moved) this.#watchStall();
      else this.destroy(new Error('The peer does not read.'));
    }, this.#stallMs);
  }

  #attach(socket: Socket): void {
    socket.setNoDelay(true);
    // A peer that vanished without a word is found by the kernel, also where we have nothing to say.
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    for (const [event, listener] of Object.entries(this.#listeners)) socket.on(event, listener);
  }

  #settle(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#stall);
    this.#pending = [];
    this.#pendingBytes = 0;
    this.#events.closed(this.#error);
  }
}
