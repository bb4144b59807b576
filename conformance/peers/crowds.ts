import { setTimeout } from 'node:timers/promises';
import { Correspondent, type Party } from './correspondent.ts';
import { Crowd, type Totals } from './crowd.ts';
import { type Federation, homeDomain, localUsers, partnerDomain, remoteUsers } from './federation.ts';
import { between, type Random } from './seed.ts';
import type { FlowOptions } from './traffic.ts';

/** Messages of each sender over which the moment of a fault is drawn. */
const mostBetween = 30;
/** Most ms between the arrival of a message and the fault: about what a message is under way. */
const mostDelayMs = 20;

/** A crowd in each direction: outbound from local users to the partner's, inbound back. */
export class Crowds {
  readonly outbound: Crowd;
  readonly inbound: Crowd;

  constructor(outbound: Crowd, inbound: Crowd) {
    this.outbound = outbound;
    this.inbound = inbound;
  }

  /** Everyone writes to someone of the other side and is written to; resolves when messages flow. */
  static async start(locals: readonly Party[], remotes: readonly Party[], options?: FlowOptions): Promise<Crowds> {
    const crowds = new Crowds(
      new Crowd('outbound', locals, remotes, options),
      new Crowd('inbound', remotes, locals, options),
    );
    crowds.start();
    await crowds.resumed();
    return crowds;
  }

  /** All users of a federation, each with one of the other side. */
  static async of(federation: Federation): Promise<Crowds> {
    const locals = localUsers.map((name) => new Correspondent(`${name}@${homeDomain}`, () => federation.alice(name)));
    const remotes = remoteUsers.map(
      (name) => new Correspondent(`${name}@${partnerDomain}`, () => federation.bob(name)),
    );
    await Promise.all([...locals, ...remotes].map((user) => user.online()));
    return Crowds.start(locals, remotes);
  }

  start(): void {
    this.outbound.start();
    this.inbound.start();
  }

  async resumed(): Promise<void> {
    await Promise.all([this.outbound.resumed(), this.inbound.resumed()]);
  }

  interrupt(): void {
    this.outbound.interrupt();
    this.inbound.interrupt();
  }

  /** Resolves when so many more of every sender have arrived. */
  async arrive(count: number): Promise<void> {
    await Promise.all([this.outbound.arrive(count), this.inbound.arrive(count)]);
  }

  /** Resolves at a random moment in the middle of traffic, with at least so many messages of each sender before it. */
  async moment(random: Random, least = 1): Promise<void> {
    await this.arrive(least + between(random, 0, mostBetween));
    await setTimeout(random() * mostDelayMs);
  }

  /**
   * Faults at random moments under load, each in its turn, with at least so many messages of each sender between two.
   * A fault calls {@link interrupt} as soon as something is broken, and resolves when that stands again.
   */
  async endure(faults: readonly (() => Promise<void>)[], random: Random, least?: number): Promise<void> {
    for (const fault of faults) {
      await this.moment(random, least);
      await fault();
      await this.resumed();
    }
  }

  async finish(): Promise<{ outbound: Totals; inbound: Totals }> {
    const [outbound, inbound] = await Promise.all([this.outbound.finish(), this.inbound.finish()]);
    console.log(JSON.stringify({ outbound, inbound }));
    return { outbound, inbound };
  }
}
