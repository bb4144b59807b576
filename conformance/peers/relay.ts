import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

export interface RelayOptions {
  /** Where it listens. */
  readonly address: string;
  readonly port: number;
  /** Where it connects to for each connection it accepts. */
  readonly target: { readonly address: string; readonly port: number };
}

/** One connection through the relay. */
interface Pair {
  readonly caller: Socket;
  readonly target: Socket;
}

/** A TCP relay in front of a server, for a network that is slow, stuck or broken. It sees bytes, not streams. */
export class Relay {
  readonly address: string;
  readonly port: number;
  /** Connections accepted since the start. */
  accepted = 0;
  readonly #server: Server;
  readonly #pairs = new Set<Pair>();
  #paused = false;
  #delayMs = 0;

  static async start({ address, port, target }: RelayOptions): Promise<Relay> {
    // Half-open: the end of one direction travels through alone.
    const server = createServer({ allowHalfOpen: true });
    const relay = new Relay(server, address, port);
    server.on('connection', (caller) => relay.#join(caller, target));
    server.listen({ host: address, port });
    await once(server, 'listening');
    return relay;
  }

  private constructor(server: Server, address: string, port: number) {
    this.#server = server;
    this.address = address;
    this.port = port;
  }

  /** Connections that stand. */
  get connections(): number {
    return this.#pairs.size;
  }

  /** Reads nothing more of what the callers send, on connections that stand and on new ones: their writes fill up and stall. */
  pause(): void {
    this.#paused = true;
    for (const { caller } of this.#pairs) caller.pause();
  }

  resume(): void {
    this.#paused = false;
    for (const { caller } of this.#pairs) caller.resume();
  }

  /** Holds everything back for so long from now on, ms, in both directions. Order is kept as long as it is not lowered. */
  delay(ms: number): void {
    this.#delayMs = ms;
  }

  /** Ends the direction from the callers to the target, as a caller that closes its half does. */
  halfClose(): void {
    for (const { target } of this.#pairs) target.end();
  }

  /** Drops every connection, both sides at once, with whatever was under way; new ones are accepted. */
  cut(): void {
    for (const { caller, target } of this.#pairs) {
      caller.resetAndDestroy();
      target.resetAndDestroy();
    }
  }

  /** Listens no more, then cuts: the server behind it is gone from here. Idempotent. */
  async close(): Promise<void> {
    const closed = this.#server.listening ? once(this.#server, 'close') : undefined;
    this.#server.close();
    this.cut();
    await closed;
  }

  #join(caller: Socket, { address, port }: RelayOptions['target']): void {
    this.accepted += 1;
    const target = connect({ host: address, port, allowHalfOpen: true });
    const pair = { caller, target };
    this.#pairs.add(pair);
    this.#pass(caller, target);
    this.#pass(target, caller);
    for (const socket of [caller, target]) {
      socket.setNoDelay(true);
      socket.on('error', () => {}); // `close` follows
      socket.on('close', (broken) => {
        this.#pairs.delete(pair);
        const other = socket === caller ? target : caller;
        if (broken) other.resetAndDestroy();
        else other.destroySoon();
      });
    }
    if (this.#paused) caller.pause();
  }

  #pass(from: Socket, to: Socket): void {
    from.on('data', (chunk: Buffer) => {
      if (this.#delayMs > 0) setTimeout(() => to.write(chunk), this.#delayMs);
      else if (!to.write(chunk)) from.pause();
    });
    to.on('drain', () => {
      if (!this.#paused) from.resume();
    });
    from.on('end', () => {
      if (this.#delayMs > 0) setTimeout(() => to.end(), this.#delayMs);
      else to.end();
    });
  }
}
