import { setTimeout } from 'node:timers/promises';
import { type Element, xml } from '@xmpp/client';
import type { Party } from './correspondent.ts';

/** ms after an error. */
const breathMs = 20;
/** Messages of one write. */
const burst = 4;
/** Messages under way after which a flow waits for arrivals. */
const defaultUnderWay = 40;
/** ms; a partner that restarts, and one that vanished without a word, are back or found gone well within. */
const patienceMs = 60_000;

/** ms by which a flow that was held up sends sooner than its pace, until it has caught up. */
const mostBehindMs = 500;
/** ms between two tries of a careful flow whose message neither arrives nor comes back. */
const retryMs = 1_000;
/** ms for which nothing more has come when what is missing counts as lost. */
const quietMs = 2_000;

export interface FlowOptions {
  /** Messages under way after which it waits for arrivals; 40 when left out. */
  readonly limit?: number | undefined;
  /** Least ms from one message to the next, on average; as fast as they arrive when left out. */
  readonly paceMs?: number | undefined;
}

/** What became of the messages of a flow, by their numbers. */
export interface Account {
  readonly sent: number;
  /** Those that the sender's own server answered for; the others were cut off with the sender's connection. */
  readonly accepted: number;
  readonly received: number;
  /** Those whose sender got an error. */
  readonly refused: number;
  /** Accepted, and neither received nor refused. */
  readonly lost: readonly number[];
  readonly duplicated: readonly number[];
  /** Received after one that was sent later. */
  readonly overtaken: readonly number[];
  /** Received though the sender got an error. */
  readonly contradicted: readonly number[];
}

/** Numbered messages of one user to another. */
export class Flow {
  readonly received: number[] = [];
  /** By number, the condition of the error that came back. */
  readonly refused = new Map<number, string>();
  readonly #name: string;
  readonly #from: Party;
  readonly #to: Party;
  readonly #accepted = new Set<number>();
  /** Neither arrived nor refused nor cut off with the sender. */
  readonly #open = new Set<number>();
  readonly #limit: number;
  readonly #paceMs: number;
  #sent = 0;
  /** The newest message that is known to have arrived or come back. */
  #settled = 0;
  /** The first message that was sent with care; undefined when there is no need of it. */
  #careful: number | undefined;
  #running: Promise<void> | undefined;
  #stopping = false;
  readonly #waiters = new Set<() => void>();

  constructor(name: string, from: Party, to: Party, { limit = defaultUnderWay, paceMs = 0 }: FlowOptions = {}) {
    this.#name = name;
    this.#from = from;
    this.#to = to;
    this.#limit = limit;
    this.#paceMs = paceMs;
    to.listen((message) => {
      const number = this.#numberOf(message.getChildText('body') ?? '');
      if (message.attrs.type === 'error' || number === undefined) return;
      this.received.push(number);
      this.#settle(number);
    });
    from.listen((message) => {
      const number = this.#numberOf(message.attrs.id ?? '');
      if (message.attrs.type !== 'error' || number === undefined) return;
      this.refused.set(number, message.getChild('error')?.getChildElements()[0]?.name ?? '');
      this.#settle(number);
    });
  }

  get sent(): number {
    return this.#sent;
  }

  /** Sends until {@link stop}; a sender whose connection breaks goes on when it is online again. */
  start(): void {
    this.#stopping = false;
    this.#running = this.#run();
    this.#running.catch(() => {}); // `stop` tells
  }

  /** Resolves when the last burst is the sender's server's. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#changed();
    await this.#running;
  }

  /**
   * Sends one message at a time until one has arrived. Before that a server that has just found the other one gone
   * refuses, and on a cold link Prosody overtakes its own queue.
   */
  interrupt(): void {
    this.#careful = this.#sent + 1;
    this.#changed();
  }

  /** Sends so many in one write; resolves with whether the sender's own server answered for them. */
  async send(count: number, padding = ''): Promise<boolean> {
    const numbers = Array.from({ length: count }, (_, index) => this.#sent + index + 1);
    this.#sent += count;
    for (const number of numbers) this.#open.add(number);
    this.#changed();
    const accepted = await this.#from.hand(numbers.map((number) => this.#message(number, padding)));
    for (const number of numbers) {
      if (accepted) this.#accepted.add(number);
      else this.#settle(number);
    }
    return accepted;
  }

  /** Resolves when so many more have arrived. */
  async arrive(count: number): Promise<void> {
    const target = this.received.length + count;
    await this.#until(() => this.received.length >= target, `${count} more messages`);
  }

  /** Resolves when the recipient has, or the sender was told of, everything that was accepted. */
  async settle(): Promise<void> {
    await this.#until(() => this.#open.size === 0, 'everything');
  }

  /** Resolves when as many are under way as may be: nothing has arrived for a while. */
  async filled(): Promise<void> {
    await this.#until(() => this.#sent - this.#settled >= this.#limit, 'a standstill');
  }

  /** Resolves when messages flow after {@link interrupt}. */
  async resumed(): Promise<void> {
    await this.#until(() => this.#careful === undefined, 'a message after the interruption');
  }

  /**
   * Stops, sends one message more, and waits for it and for errors that are on their way: what has neither arrived nor
   * come back then does not come any more.
   */
  async finish(): Promise<Account> {
    await this.stop();
    if (!(await this.send(1))) throw new Error(`the last message of ${this.#name} was not taken`);
    const last = this.#sent;
    await this.#until(() => !this.#open.has(last), 'the last message');
    for (let left = -1; this.#open.size > 0 && left !== this.#open.size; ) {
      left = this.#open.size;
      await this.#change(quietMs);
    }
    return this.account();
  }

  account(): Account {
    const seen = new Set<number>();
    const duplicated: number[] = [];
    const overtaken: number[] = [];
    let highest = 0;
    for (const number of this.received) {
      if (seen.has(number)) duplicated.push(number);
      else if (number < highest) overtaken.push(number);
      seen.add(number);
      highest = Math.max(highest, number);
    }
    return {
      sent: this.#sent,
      accepted: this.#accepted.size,
      received: seen.size,
      refused: this.refused.size,
      lost: [...this.#accepted].filter((number) => !seen.has(number) && !this.refused.has(number)),
      duplicated,
      overtaken,
      contradicted: [...this.refused.keys()].filter((number) => seen.has(number)),
    };
  }

  async #run(): Promise<void> {
    let due = Date.now();
    while (!this.#stopping) {
      const refused = this.refused.size;
      if (this.#careful === undefined && this.#sent - this.#settled >= this.#limit) {
        await this.#change(patienceMs);
        continue;
      }
      if (this.#careful !== undefined) await this.#try(this.#careful);
      else await this.send(burst);
      // Errors come back at once: without a pause they are all there is to see.
      if (this.refused.size > refused) await setTimeout(breathMs);
      due = Math.max(due + burst * this.#paceMs, Date.now() - mostBehindMs);
      while (Date.now() < due && !this.#stopping) await this.#change(due - Date.now());
    }
  }

  /** Sends one more; all is well when one of those since `first` has arrived. */
  async #try(first: number): Promise<void> {
    await this.send(1);
    const number = this.#sent;
    const retry = Date.now() + retryMs;
    while (this.#open.has(number) && Date.now() < retry) await this.#change(retry - Date.now());
    if (this.#careful !== first || !this.received.some((arrived) => arrived >= first)) return;
    this.#careful = undefined;
    this.#changed();
  }

  #message(number: number, padding: string): Element {
    const text = `${this.#name} ${number}`;
    return xml('message', { to: this.#to.address, type: 'chat', id: text }, xml('body', {}, `${text} ${padding}`));
  }

  #until(condition: () => boolean, what: string): Promise<void> {
    if (condition()) return Promise.resolve();
    const failure = new Error(); // made here, so that its stack names the test
    return new Promise((resolve, reject) => {
      const timer = globalThis.setTimeout(() => {
        this.#waiters.delete(look);
        failure.message = `${this.#name}: ${what} did not come: ${brief(this.account())}`;
        reject(failure);
      }, patienceMs);
      const look = () => {
        if (!condition()) return;
        clearTimeout(timer);
        this.#waiters.delete(look);
        resolve();
      };
      this.#waiters.add(look);
    });
  }

  #numberOf(text: string): number | undefined {
    const [name, number] = text.split(' ');
    return name === this.#name ? Number(number) : undefined;
  }

  /** Resolves when something has changed, or when the time is over. */
  #change(withinMs: number): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.#waiters.delete(done);
        resolve();
      };
      const timer = globalThis.setTimeout(done, Math.max(0, withinMs));
      this.#waiters.add(done);
    });
  }

  #settle(number: number): void {
    this.#open.delete(number);
    this.#settled = Math.max(this.#settled, number);
    this.#changed();
  }

  #changed(): void {
    for (const look of this.#waiters) look();
  }
}

/** An account as one line, of each list its length and beginning. */
function brief(account: Account): string {
  return JSON.stringify(account, (_, value) =>
    Array.isArray(value) && value.length > 8 ? `${value.length}: ${value.slice(0, 8).join(' ')} …` : value,
  );
}
