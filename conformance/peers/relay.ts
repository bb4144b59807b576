import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { RelayLane } from './relay-lane.ts';

export interface RelayOptions {
  /** Where it listens. */
  readonly address: string;
  readonly port: number;
  /** Where it connects to for each connection it accepts. */
  readonly target: { readonly address: string; readonly port: number };
}

/** `there` is from the callers to the target. */
export type Direction = 'there' | 'back';

const both = ['there', 'back'] as const satisfies readonly Direction[];

/** One connection through the relay. */
interface Pair {
  readonly caller: Socket;
  readonly target: Socket;
  readonly lanes: Readonly<Record<Direction, RelayLane>>;
  /** The callers were told that it is gone; the target is told when what is kept has been passed on. */
  stranded: boolean;
}

/** A TCP relay in front of a server, for a network that is slow, stuck or broken. It sees bytes, not streams. */
export class Relay {
  readonly address: string;
  readonly port: number;
  /** Connections accepted since the start. */
  accepted = 0;
  readonly #server: Server;
  readonly #pairs = new Set<Pair>();
  /** Connections that both sides believe in and that carry nothing. */
  readonly #swallowed = new Set<Pair>();
  readonly #paused = new Set<Direction>();
  #delay: () => number = () => 0;
  #refusals = 0;

  static async start({ address, port, target }: RelayOptions): Promise<Relay> {
    // Half-open: the end of one direction travels through alone.
    const server = createServer({ allowHalfOpen: true });
    const relay = new Relay(server, address, port);
    server.on('connection', (caller) => relay.#arrive(caller, target));
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

  /** Bytes that were read from the callers and kept from the target. */
  get kept(): number {
    let bytes = 0;
    for (const { lanes } of this.#pairs) bytes += lanes.there.kept;
    return bytes;
  }

  /**
   * Reads nothing more of what is sent in these directions, on connections that stand and on new ones: writes fill up
   * and stall.
   */
  pause(...directions: Direction[]): void {
    for (const direction of directions.length > 0 ? directions : (['there'] as const)) {
      this.#paused.add(direction);
      for (const { lanes } of this.#pairs) lanes[direction].pause();
    }
  }

  /** Ends every pause. */
  resume(): void {
    this.#paused.clear();
    for (const { lanes } of this.#pairs) for (const direction of both) lanes[direction].resume();
  }

  /** Holds every chunk back from now on for so long, ms, in both directions. Order is kept. */
  delay(delay: number | (() => number)): void {
    this.#delay = typeof delay === 'number' ? () => delay : delay;
    for (const { lanes } of this.#pairs) for (const direction of both) lanes[direction].delay = this.#delay;
  }

  /** Ends one direction, as a sender that closes its half does; the other one stands. */
  halfClose(direction: Direction = 'there'): void {
    for (const { lanes } of this.#pairs) lanes[direction].end();
  }

  /** Drops every connection, both sides at once, with whatever was under way; new ones are accepted. */
  cut(): void {
    for (const pair of [...this.#pairs]) reset(pair);
  }

  /** Drops this many of the connections to come as soon as they are accepted. */
  refuse(count: number): void {
    this.#refusals = count;
  }

  /** Connections that stand carry nothing any more, and nobody is told; new ones are as good as ever. */
  swallow(): void {
    for (const pair of this.#pairs) {
      this.#pairs.delete(pair);
      this.#swallowed.add(pair);
      for (const direction of both) {
        pair.lanes[direction].pause();
        pair.lanes[direction].close();
      }
    }
  }

  /**
   * What the callers send on connections that stand is on its way from now on, until {@link release}: also when they
   * give up meanwhile.
   */
  detain(): void {
    for (const { lanes } of this.#pairs) lanes.there.detain();
  }

  /** Tells the callers of connections that stand that these are gone, and not the target: what is kept for it stays so. */
  strand(): void {
    for (const pair of this.#pairs) {
      if (pair.stranded) continue;
      pair.stranded = true;
      pair.caller.resetAndDestroy();
    }
  }

  /** What was detained arrives, however late; the ends of stranded connections behind it. */
  release(): void {
    for (const { lanes, stranded } of this.#pairs) {
      lanes.there.release();
      if (stranded) lanes.there.end();
    }
  }

  /** Listens no more, then cuts: the server behind it is gone from here. Idempotent. */
  async close(): Promise<void> {
    const closed = this.#server.listening ? once(this.#server, 'close') : undefined;
    this.#server.close();
    this.cut();
    for (const pair of this.#swallowed) reset(pair);
    this.#swallowed.clear();
    await closed;
  }

  #arrive(caller: Socket, target: RelayOptions['target']): void {
    this.accepted += 1;
    caller.on('error', () => {}); // `close` follows
    if (this.#refusals === 0) this.#join(caller, target);
    else {
      this.#refusals -= 1;
      caller.resetAndDestroy();
    }
  }

  #join(caller: Socket, { address, port }: RelayOptions['target']): void {
    const target = connect({ host: address, port, allowHalfOpen: true });
    target.on('error', () => {}); // `close` follows
    const lanes = { there: new RelayLane(caller, target), back: new RelayLane(target, caller) };
    const pair: Pair = { caller, target, lanes, stranded: false };
    this.#pairs.add(pair);
    caller.setNoDelay(true).on('close', (broken) => this.#over(pair, target, broken));
    target.setNoDelay(true).on('close', (broken) => this.#over(pair, caller, broken));
    for (const direction of both) {
      lanes[direction].delay = this.#delay;
      if (this.#paused.has(direction)) lanes[direction].pause();
    }
  }

  /** One socket of a pair has closed; the other one is to hear of it. */
  #over(pair: Pair, other: Socket, broken: boolean): void {
    if (this.#swallowed.has(pair)) return;
    // What is on its way arrives, however long its sender has been gone.
    if (other === pair.target && pair.lanes.there.detained) pair.stranded = true;
    if (pair.stranded && other === pair.target) return;
    this.#pairs.delete(pair);
    for (const direction of both) pair.lanes[direction].close();
    if (broken) other.resetAndDestroy();
    else other.destroySoon();
  }
}

function reset({ caller, target, lanes }: Pair): void {
  for (const direction of both) lanes[direction].close();
  caller.resetAndDestroy();
  target.resetAndDestroy();
}
