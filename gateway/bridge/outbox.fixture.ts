import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ReasonCode } from '../../policies/reasons.ts';
import { OutboxTable } from '../store/outbox-table.ts';
import { Store } from '../store/store.ts';
import { stanza } from './bridge.fixture.ts';
import { Outbox, type OutboxLimits } from './outbox.ts';
import type { Route } from './outbox-queue.ts';
import type { Taken } from './ports.ts';
import { errorReply } from './reply.ts';
import type { Stanza } from './stanza.ts';

export const outward: Route = { direction: 'outbound', home: 'h.example', partner: 'p.example' };

/** An outbox over a store in a folder of its own, and what it says to the bridge around it, by stanza id. */
export class TestOutbox {
  readonly folder = mkdtempSync(join(tmpdir(), 'drawbridge-outbox-'));
  readonly limits: OutboxLimits;
  readonly bytes: number;
  /** Handed on and taken. */
  readonly handed: Stanza[] = [];
  readonly bounced: string[] = [];
  /** Errors that reached the sender of what was bounced. */
  readonly answered: string[] = [];
  /** Routes whose fillers were told to go on. */
  relieved = 0;
  /** What the other end answers to what it is handed. */
  takes: (stanza: Stanza) => Taken = () => 'more';
  now = 1_000_000;
  store: Store;
  outbox: Outbox;
  /** Stores of processes that were killed: they commit nothing more. */
  readonly #past: Store[] = [];
  #life = 0;

  constructor(limits: Partial<OutboxLimits> = {}, bytes = 64 * 1024 * 1024) {
    this.limits = { messages: 10_000, bytes: 16 * 1024 * 1024, ageMs: 60_000, ...limits };
    this.bytes = bytes;
    [this.store, this.outbox] = this.#open();
    this.outbox.start();
  }

  put(id: string, xml = ''): boolean {
    return this.outbox.put(outward, xml === '' ? messageOf(id) : stanza(xml));
  }

  room(): void {
    this.outbox.room(outward);
  }

  /** Resolves when all that was written so far is kept, and was told. */
  kept(): Promise<void> {
    return new Promise((resolve) => {
      this.store.write(() => undefined);
      this.store.whenKept(resolve);
    });
  }

  /** Lets the outbox look at the age of what waits. */
  async expire(): Promise<void> {
    this.outbox.lookOver();
    await this.kept();
  }

  get ids(): string[] {
    return this.handed.map(({ id }) => id);
  }

  /** Ends as `kill -9` does: what was not committed is gone. Starts again from what the store holds. */
  restart(): void {
    this.#past.push(this.store);
    this.#life++;
    this.outbox.close();
    [this.store, this.outbox] = this.#open();
    this.outbox.start();
  }

  close(): void {
    this.outbox.close();
    for (const store of [...this.#past, this.store]) store.close();
    rmSync(this.folder, { recursive: true });
  }

  #open(): [Store, Outbox] {
    const file = join(this.folder, 'test.db');
    const store = Store.open({
      file,
      fsync: 'checkpoint',
      bytes: this.bytes,
      now: () => this.now,
      onFault: () => undefined,
    });
    const life = this.#life;
    const alive = (): boolean => life === this.#life;
    const whileAlive = (then: () => void) => () => {
      if (alive()) then();
    };
    const outbox: Outbox = new Outbox(
      {
        table: new OutboxTable(store),
        write: (work, failed) =>
          store.write(
            () => {
              if (!alive()) throw new Error('killed');
              work();
            },
            (fault) => alive() && failed(fault),
          ),
        whenKept: (then) => store.whenKept(whileAlive(then)),
        read: (bytes) => stanza(bytes.toString()),
      },
      this.limits,
      {
        hand: (route, handed) => {
          if (route.direction === 'inbound') {
            this.answered.push(handed.id);
            this.outbox.settle(handed);
            return 'more';
          }
          const taken = this.takes(handed);
          if (taken !== 'none') this.handed.push(handed);
          return taken;
        },
        undeliverable: (lost: Stanza, reason: ReasonCode) => {
          this.outbox.settle(lost);
          this.bounced.push(`${lost.id}: ${reason}`);
          const reply = errorReply(lost, reason);
          if (reply !== undefined) this.outbox.put({ direction: 'inbound', home: '', partner: 'p.example' }, reply);
        },
        relieved: () => {
          this.relieved++;
        },
        partnerName: (domain) => domain,
        now: () => this.now,
      },
    );
    return [store, outbox];
  }
}

export function messageOf(id: string): Stanza {
  return stanza(`<message from="u@h.example" to="v@p.example" id="${id}"><body>${id}</body></message>`);
}
