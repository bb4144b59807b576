import { setTimeout } from 'node:timers/promises';
import { type Element, xml } from '@xmpp/client';
import type { TestClient } from './client.ts';

/** ms after an error. */
const breathMs = 20;
/** Messages of one write. */
const burst = 4;
/** Messages under way after which a flow waits for arrivals. */
const defaultUnderWay = 40;
/** ms; a partner's restart with the gateway's back-off is well within. */
const patienceMs = 30_000;

/** A user who goes offline and comes back; what arrives is kept over all of it. */
export class Correspondent {
  readonly address: string;
  readonly #connect: () => Promise<TestClient>;
  readonly #listeners: ((message: Element) => void)[] = [];
  #client: Promise<TestClient> | undefined;
  #returned = Promise.withResolvers<void>();

  constructor(address: string, connect: () => Promise<TestClient>) {
    this.address = address;
    this.#connect = connect;
  }

  /** Connects and becomes available; resolves when it has. Does nothing for who is there. */
  async online(): Promise<void> {
    if (this.#client !== undefined) return;
    const connecting = this.#connect();
    this.#client = connecting;
    const client = await connecting;
    client.messages.listen((message) => {
      for (const listener of this.#listeners) listener(message);
    });
    void client.disconnected.then(() => {
      this.#client = undefined;
    });
    this.#returned.resolve();
    this.#returned = Promise.withResolvers();
  }

  async offline(): Promise<void> {
    await (await this.#client)?.close();
  }

  /** The client that stands, or the next one to stand. */
  async client(): Promise<TestClient> {
    while (this.#client === undefined) await this.#returned.promise;
    return this.#client;
  }

  /** Hears of every message from now on. */
  listen(listener: (message: Element) => void): void {
    this.#listeners.push(listener);
  }
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

/** Numbered messages of one user to another, sent as fast as they arrive. */
export class Flow {
  readonly received: number[] = [];
  /** By number, the condition of the error that came back. */
  readonly refused = new Map<number, string>();
  readonly #name: string;
  readonly #from: Correspondent;
  readonly #to: Correspondent;
  readonly #accepted = new Set<number>();
  /** Neither arrived nor refused nor cut off with the sender. */
  readonly #open = new Set<number>();
  readonly #limit: number;
  #sent = 0;
  #running: Promise<void> | undefined;
  #stopping = false;
  readonly #waiters = new Set<() => void>();

  constructor(name: string, from: Correspondent, to: Correspondent, limit = defaultUnderWay) {
    this.#name = name;
    this.#from = from;
    this.#to = to;
    this.#limit = limit;
    to.listen((message) => {
      const number = this.#numberOf(message.getChildText('body') ?? '');
      if (message.attrs.type === 'error' || number === undefined) return;
      this.received.push(number);
      this.#open.delete(number);
      this.#change();
    });
    from.listen((message) => {
      const number = this.#numberOf(message.attrs.id ?? '');
      if (message.attrs.type !== 'error' || number === undefined) return;
      this.#open.delete(number);
      this.refused.set(number, message.getChild('error')?.getChildElements()[0]?.name ?? '');
      this.#change();
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
    this.#change();
    await this.#running;
  }

  /** Sends so many in one write; resolves with whether the sender's own server answered for them. */
  async send(count: number, padding = ''): Promise<boolean> {
    const client = await this.#from.client();
    const numbers = Array.from({ length: count }, (_, index) => this.#sent + index + 1);
    this.#sent += count;
    for (const number of numbers) this.#open.add(number);
    const taken = this.#hand(client, numbers, padding);
    const accepted = await Promise.race([taken, client.disconnected.then(() => false)]);
    if (accepted) for (const number of numbers) this.#accepted.add(number);
    else {
      for (const number of numbers) this.#open.delete(number);
      await client.disconnected;
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

  /** Stops, sends one message more, and waits for it: what has not arrived in front of it does not come any more. */
  async finish(): Promise<Account> {
    await this.stop();
    if (!(await this.send(1))) throw new Error(`the last message of ${this.#name} was not taken`);
    const last = this.#sent;
    await this.#until(() => !this.#open.has(last), 'the last message');
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
    while (!this.#stopping) {
      await this.#until(() => this.#stopping || this.#open.size < this.#limit, 'room for more');
      const refused = this.refused.size;
      if (!this.#stopping) await this.send(burst);
      // Errors come back at once: without a pause they are all there is to see.
      if (this.refused.size > refused) await setTimeout(breathMs);
    }
  }

  /** Writes, and asks the sender's own server for an answer behind it (XEP-0199): then it has taken them. */
  async #hand(client: TestClient, numbers: readonly number[], padding: string): Promise<boolean> {
    try {
      await client.sendAll(
        numbers.map((number) => {
          const text = `${this.#name} ${number}`;
          return xml(
            'message',
            { to: this.#to.address, type: 'chat', id: text },
            xml('body', {}, `${text} ${padding}`),
          );
        }),
      );
      const ping = xml('iq', { type: 'get' }, xml('ping', { xmlns: 'urn:xmpp:ping' }));
      return (await client.request(ping)).attrs.type !== undefined;
    } catch {
      return false;
    }
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

  #change(): void {
    for (const look of this.#waiters) look();
  }
}

/** An account as one line, of each list its length and beginning. */
function brief(account: Account): string {
  return JSON.stringify(account, (_, value) =>
    Array.isArray(value) && value.length > 8 ? `${value.length}: ${value.slice(0, 8).join(' ')} …` : value,
  );
}
