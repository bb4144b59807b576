import { connect, isIPv6, type Socket } from 'node:net';
import { Fault } from '../../policies/fault.ts';

/** A connection that stands. */
export interface Connection {
  readonly socket: Socket;
  /** The IP address that answered. */
  readonly address: string;
}

export interface RaceOptions {
  /** Head start of one address over the next, ms. Default 250 (RFC 8305 §8). */
  readonly attemptDelayMs?: number | undefined;
  /** Starts a connection; the default is `net.connect`. */
  readonly open?: ((address: string, port: number) => Socket) | undefined;
}

interface Goal {
  readonly host: string;
  readonly port: number;
}

const ATTEMPT_DELAY_MS = 250;

/**
 * The race of one host's addresses (RFC 8305 §§4, 5): families in turn, IPv6 first; the next starts when the one
 * before failed or its head start is over; the first that connects wins, and the others are destroyed.
 * Addresses may enter while it runs.
 */
export class AddressRace {
  readonly #goal: Goal;
  readonly #delayMs: number;
  readonly #open: (address: string, port: number) => Socket;
  readonly #outcome = Promise.withResolvers<Connection>();
  readonly #waiting = { 4: [] as string[], 6: [] as string[] };
  readonly #running = new Set<Socket>();
  /** What became of each address, for the message. */
  readonly #tried = new Map<string, string>();
  #turn: 4 | 6 = 6;
  #headStart: NodeJS.Timeout | undefined;
  #entriesClosed = false;
  #over = false;

  constructor(goal: Goal, options: RaceOptions) {
    this.#goal = goal;
    this.#delayMs = options.attemptDelayMs ?? ATTEMPT_DELAY_MS;
    this.#open = options.open ?? ((host, port) => connect({ host, port, noDelay: true }));
  }

  /** Rejects with Fault `remote-unreachable` or `remote-not-found`, or what `fail` was given. */
  get outcome(): Promise<Connection> {
    return this.#outcome.promise;
  }

  /** Adds addresses of one host in text. */
  enter(addresses: readonly string[]): void {
    for (const address of addresses) this.#waiting[isIPv6(address) ? 6 : 4].push(address);
    if (this.#headStart === undefined) this.#startNext();
  }

  /** No more will enter. Without any entry the race fails with `why`, or else as `remote-not-found`. */
  closeEntries(why?: Fault): void {
    this.#entriesClosed = true;
    if (this.#tried.size > 0) this.#checkLost();
    else this.fail(why ?? new Fault('remote-not-found', `${this.#goal.host} has no address.`));
  }

  /** The time is up. */
  expire(): void {
    this.fail(this.#unreachable());
  }

  /** Ends the race without a winner. */
  fail(reason: unknown): void {
    this.#end();
    this.#outcome.reject(reason);
  }

  #startNext(): void {
    clearTimeout(this.#headStart);
    this.#headStart = undefined;
    const address = this.#over ? undefined : this.#next();
    if (address === undefined) this.#checkLost();
    else this.#start(address);
  }

  #start(address: string): void {
    this.#tried.set(address, 'no answer');
    const socket = this.#open(address, this.#goal.port);
    this.#running.add(socket);
    const lose = (error: NodeJS.ErrnoException) => {
      this.#tried.set(address, error.code ?? error.message);
      this.#running.delete(socket);
      this.#startNext();
    };
    socket.once('error', lose);
    socket.once('connect', () => {
      socket.off('error', lose);
      this.#running.delete(socket);
      this.#end();
      this.#outcome.resolve({ socket, address });
    });
    this.#headStart = setTimeout(() => this.#startNext(), this.#delayMs);
  }

  #next(): string | undefined {
    const other = this.#turn === 6 ? 4 : 6;
    const family = this.#waiting[this.#turn].length > 0 ? this.#turn : other;
    this.#turn = family === 6 ? 4 : 6;
    return this.#waiting[family].shift();
  }

  #checkLost(): void {
    const pending = this.#running.size > 0 || this.#waiting[4].length > 0 || this.#waiting[6].length > 0;
    if (this.#entriesClosed && !pending && !this.#over) this.fail(this.#unreachable());
  }

  #end(): void {
    this.#over = true;
    clearTimeout(this.#headStart);
    for (const socket of this.#running) socket.destroy();
    this.#running.clear();
  }

  #unreachable(): Fault {
    const { host, port } = this.#goal;
    const tried = [...this.#tried].map(([address, what]) => `${address} (${what})`).join(', ');
    return new Fault('remote-unreachable', `No connection to ${host} port ${port}; tried: ${tried || 'nothing yet'}.`);
  }
}
