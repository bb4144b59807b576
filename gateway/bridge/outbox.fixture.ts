import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ReasonCode } from '../../policies/reasons.ts';
import { OutboxTable } from '../store/outbox-table.ts';
import { Store } from '../store/store.ts';
import { stanza } from './bridge.fixture.ts';
import { Outbox, type OutboxLimits } from './outbox.ts';
import { type Route, routeName } from './outbox-route.ts';
import type { Taken } from './ports.ts';
import { errorReply } from './reply.ts';
import type { Stanza } from './stanza.ts';

export const outward: Route = { direction: 'outbound', home: 'h.example', partner: 'p.example' };
/** Another domain of the same partner. */
export const elsewhere: Route = { direction: 'outbound', home: 'h.example', partner: 'q.example' };

/** The way of the errors that come back. */
export const homeward: Route = { direction: 'inbound', home: '', partner: 'p.example' };

/** A way to what stores what it is handed in the same turn. */
export const intoMailbox: Route = { direction: 'inbound', home: '', partner: 'mailbox.example' };

export interface TestOutboxOptions {
  readonly limits?: Partial<OutboxLimits>;
  /** Bytes of the database. */
  readonly bytes?: number;
  /** Whether what is committed is kept only once the test lets it be synced, with {@link TestOutbox.sync}. */
  readonly holdSyncs?: boolean;
}

/** What SQLite throws where there is no room. */
const full = Object.assign(new Error('database or disk is full'), { errcode: 13 });

/** An outbox over a store in a folder of its own, and what it says to the bridge around it, by stanza id. */
export class TestOutbox {
  readonly folder = mkdtempSync(join(tmpdir(), 'drawbridge-outbox-'));
  readonly limits: OutboxLimits;
  /** Handed on and taken. */
  readonly handed: Stanza[] = [];
  readonly bounced: string[] = [];
  /** Errors that reached the sender of what was bounced. */
  readonly answered: string[] = [];
  /** Routes whose fillers were told to go on, by name. */
  readonly relief: string[] = [];
  /** What the other end answers to what it is handed. */
  takes: (stanza: Stanza) => Taken = () => 'more';
  /** What a home does that stores what it is handed. */
  stores: (stanza: Stanza) => Taken = () => 'none';
  /** Whether errors find their way to the senders of what was bounced. */
  answers = true;
  /** Stanzas read back from disk. */
  reads = 0;
  /** Whether the disk takes what a work writes, asked for each. */
  writable: () => boolean = () => true;
  now = 1_000_000;
  store: Store;
  outbox: Outbox;
  readonly #options: TestOutboxOptions;
  /** Stores of processes that were killed: they commit nothing more. */
  readonly #past: Store[] = [];
  readonly #syncs: ((error: null) => void)[] = [];
  #life = 0;

  constructor(options: TestOutboxOptions = {}) {
    this.#options = options;
    this.limits = { messages: 10_000, bytes: 16 * 1024 * 1024, ageMs: 60_000, ...options.limits };
    [this.store, this.outbox] = this.#open();
    this.#start();
  }

  put(id: string, xml = '', route = outward): boolean {
    return this.outbox.put(route, xml === '' ? messageOf(id, route.partner) : stanza(xml));
  }

  room(route = outward): void {
    this.outbox.room(route);
  }

  /** Writes something else in the next commit, unless the process is killed before. */
  write(work: (store: Store) => void): void {
    const [life, { store }] = [this.#life, this];
    store.write(() => {
      if (life !== this.#life) throw new Error('killed');
      work(store);
    });
  }

  /** Calls `then` once all that was put in so far is kept, as whoever acknowledges it would; never after a crash. */
  whenKept(then: () => void): void {
    const life = this.#life;
    this.store.whenKept(() => {
      if (life === this.#life) then();
    });
  }

  /** Resolves when all that was written so far is kept, and was told. */
  async kept(): Promise<void> {
    let done = false;
    this.store.write(() => undefined);
    this.store.whenKept(() => {
      done = true;
    });
    while (!done) {
      await this.turn();
      this.sync();
    }
  }

  /** One turn of the event loop: what waits is committed. */
  turn(): Promise<void> {
    return new Promise((resolve) => setImmediate(resolve));
  }

  /** What was committed before the last sync began is on disk now. */
  sync(): void {
    for (const done of this.#syncs.splice(0)) done(null);
  }

  /** Lets the outbox look at the age of what waits. */
  async expire(): Promise<void> {
    this.outbox.lookOver();
    await this.kept();
  }

  get ids(): string[] {
    return this.handed.map(({ id }) => id);
  }

  get relieved(): number {
    return this.relief.length;
  }

  /** Rows that hold stanzas. */
  get rows(): number {
    return Number(this.store.prepare('SELECT count(*) AS count FROM outbox_lot').get()?.count);
  }

  /** Ends as `kill -9` does: what was not committed is gone. Starts again from what the store holds. */
  restart(): void {
    this.recover();
    this.outbox.start();
  }

  /** As {@link restart}, but for the start. */
  recover(): void {
    this.#past.push(this.store);
    this.#life++;
    this.#syncs.length = 0;
    this.outbox.close();
    [this.store, this.outbox] = this.#open();
    this.outbox.recover();
  }

  /** Ends in good order, and starts again. */
  stopAndStart(): void {
    this.#stop();
    [this.store, this.outbox] = this.#open();
    this.#start();
  }

  /** Forgets everything, and starts again: cheaper than a new one. */
  clear(): void {
    this.#stop();
    [this.store, this.outbox] = this.#open();
    for (const table of ['outbox_lot', 'outbox_queue']) this.store.prepare(`DELETE FROM ${table}`).run();
    for (const told of [this.handed, this.bounced, this.answered, this.relief]) told.length = 0;
    this.#start();
  }

  close(): void {
    this.#stop();
    rmSync(this.folder, { recursive: true });
  }

  #stop(): void {
    this.outbox.close();
    for (const store of [...this.#past.splice(0), this.store]) store.close();
    this.#life++;
    this.#syncs.length = 0;
  }

  #start(): void {
    this.outbox.recover();
    this.outbox.start();
  }

  #open(): [Store, Outbox] {
    const { bytes = 64 * 1024 * 1024, holdSyncs = false } = this.#options;
    const store = Store.open(
      {
        file: join(this.folder, 'test.db'),
        fsync: holdSyncs ? 'commit' : 'checkpoint',
        bytes,
        now: () => this.now,
        onFault: () => undefined,
      },
      { syncFile: (_file, done) => this.#syncs.push(done) },
    );
    const life = this.#life;
    const alive = (): boolean => life === this.#life;
    const outbox: Outbox = new Outbox(
      {
        table: new OutboxTable(store),
        write: (work, failed) =>
          store.write(
            () => {
              if (!alive()) throw new Error('killed');
              work();
              if (!this.writable()) throw full;
            },
            (fault) => alive() && failed(fault),
          ),
        whenKept: (then) => store.whenKept(() => alive() && then()),
        read: (kept) => {
          this.reads++;
          return stanza(kept.toString());
        },
      },
      this.limits,
      {
        hand: (route, handed) => {
          if (route.partner === intoMailbox.partner) return this.stores(handed);
          if (route.direction === 'inbound') {
            if (!this.answers) return 'none';
            this.answered.push(handed.id);
            this.outbox.settle(handed);
            return 'more';
          }
          const taken = this.takes(handed);
          if (taken !== 'none') this.handed.push(handed);
          return taken;
        },
        keeps: ({ partner }) => partner === intoMailbox.partner,
        undeliverable: (lost: Stanza, reason: ReasonCode) => this.bounce(lost, reason),
        relieved: (route) => this.relief.push(routeName(route)),
        partnerName: (domain) => (domain === elsewhere.partner ? outward.partner : domain),
        now: () => this.now,
      },
    );
    return [store, outbox];
  }

  /** As the bridge does it. */
  bounce(lost: Stanza, reason: ReasonCode): boolean {
    this.outbox.settle(lost);
    this.bounced.push(`${lost.id}: ${reason}`);
    const reply = errorReply(lost, reason);
    return reply === undefined || this.outbox.put(homeward, reply);
  }
}

export function messageOf(id: string, partner = 'p.example', body = id): Stanza {
  return stanza(`<message from="u@h.example" to="v@${partner}" id="${id}"><body>${body}</body></message>`);
}
