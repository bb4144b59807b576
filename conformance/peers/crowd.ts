import type { Party } from './correspondent.ts';
import { type Account, Flow, type FlowOptions } from './traffic.ts';

/** What became of the messages of all flows of one direction, in numbers. */
export interface Totals {
  readonly sent: number;
  readonly accepted: number;
  readonly received: number;
  readonly refused: number;
  readonly lost: number;
  readonly doubled: number;
  /** Received after a later one of the same sender, and not refused: what came back to its sender may also come late. */
  readonly disordered: number;
  /** Received though the sender got an error. */
  readonly both: number;
}

/** Enough to be under load, few enough that what a server holds for others to take is little: 60 a second of each sender. */
const pace: FlowOptions = { limit: 16, paceMs: 1000 / 60 };

/** Many users who write to each other, in one direction. */
export class Crowd {
  readonly flows: readonly Flow[];

  /** Each sender writes to the recipient beside it. `name` is part of every message and must differ between crowds. */
  constructor(name: string, senders: readonly Party[], recipients: readonly Party[], options = pace) {
    this.flows = senders.map((sender, index) => {
      const recipient = recipients[index % recipients.length];
      if (recipient === undefined) throw new Error('a crowd needs recipients');
      return new Flow(`${name}-${index}`, sender, recipient, options);
    });
  }

  /** Messages in all. */
  get sent(): number {
    return this.flows.reduce((total, { sent }) => total + sent, 0);
  }

  /** Everyone sends, with care until a first message has arrived ({@link Flow.interrupt}). */
  start(): void {
    for (const flow of this.flows) {
      flow.interrupt();
      flow.start();
    }
  }

  interrupt(): void {
    for (const flow of this.flows) flow.interrupt();
  }

  /** Resolves when nobody sends more because nothing arrives. */
  async filled(): Promise<void> {
    await Promise.all(this.flows.map((flow) => flow.filled()));
  }

  /** Resolves when the messages of every sender flow. */
  async resumed(): Promise<void> {
    await Promise.all(this.flows.map((flow) => flow.resumed()));
  }

  /** Resolves when so many more of every sender have arrived. */
  async arrive(count: number): Promise<void> {
    await Promise.all(this.flows.map((flow) => flow.arrive(count)));
  }

  async finish(): Promise<Totals> {
    const accounts = await Promise.all(this.flows.map((flow) => flow.finish()));
    return accounts.map(totalsOf).reduce(sum);
  }
}

function totalsOf({ sent, accepted, received, refused, ...lists }: Account): Totals {
  const { lost, duplicated, overtaken, contradicted } = lists;
  const late = new Set(contradicted);
  return {
    sent,
    accepted,
    received,
    refused,
    lost: lost.length,
    doubled: duplicated.length,
    disordered: overtaken.filter((number) => !late.has(number)).length,
    both: contradicted.length,
  };
}

function sum(one: Totals, other: Totals): Totals {
  return {
    sent: one.sent + other.sent,
    accepted: one.accepted + other.accepted,
    received: one.received + other.received,
    refused: one.refused + other.refused,
    lost: one.lost + other.lost,
    doubled: one.doubled + other.doubled,
    disordered: one.disordered + other.disordered,
    both: one.both + other.both,
  };
}
