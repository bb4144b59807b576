import type { ReasonCode } from '../../../policies/reasons.ts';
import type { DialogLimits } from '../dialog/core.ts';
import type { DigestClient } from '../dialog/digest.ts';
import type { Random } from '../dialog/random.ts';
import type { SipRequest } from '../message/message.ts';
import type { SipHandlers, Trunk } from '../port.ts';
import type { Clock } from '../transaction/clock.ts';
import type { Arrival } from './arrival.ts';
import type { DrachtioLink } from './link.ts';

/** Who has a dialog of the server: a call that is set up, a session, a subscription. */
export interface DialogOwner {
  readonly trunk: Trunk;
  /** A server that gets a request with the Call-ID of a dialog sends it in that dialog. */
  readonly callId: string;
  requested(arrival: Arrival): void;
  acknowledged(ack: SipRequest): void;
  /** The server has ended it by itself: no ACK came, or the session timer ran out. */
  expired(bye: SipRequest): void;
  /** The server is gone. */
  lost(): void;
  /** Ends it as well as can be done without waiting; leaves no timer. */
  close(): void;
}

/** What all calls and subscriptions of one stack share. */
export interface Ground {
  readonly link: Pick<DrachtioLink, 'send' | 'done' | 'up'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly limits: DialogLimits;
  readonly digest: DigestClient;
  readonly handlers: () => SipHandlers;
  /** Runs what must not throw: within an event of drachtio-srf that would end the connection, and all calls with it. */
  readonly guarded: (run: () => void, failed?: (code: ReasonCode) => void) => void;
  /** By the server's name. */
  readonly dialogs: Map<string, DialogOwner>;
  /** Subscriptions by our tag, while the first NOTIFY may come before the server knows the dialog. */
  readonly awaited: Map<string, DialogOwner>;
  /** All of them, and calls that have no dialog yet; bounded by {@link DialogLimits.calls}. */
  readonly owners: Owners;
}

export type Owner = Pick<DialogOwner, 'lost' | 'close' | 'callId'> & {
  /** A subscription: nobody waits for its end. */
  readonly subscribes?: true;
};

/** Everything that lasts, and which Call-IDs it has. */
export class Owners {
  readonly #owners = new Set<Owner>();
  readonly #callIds = new Map<string, number>();
  #calls = 0;

  get size(): number {
    return this.#owners.size;
  }

  /** How many of them are calls. */
  get calls(): number {
    return this.#calls;
  }

  add(owner: Owner): void {
    if (this.#owners.has(owner)) return;
    this.#owners.add(owner);
    if (owner.subscribes === undefined) this.#calls += 1;
    this.#callIds.set(owner.callId, (this.#callIds.get(owner.callId) ?? 0) + 1);
  }

  delete(owner: Owner): void {
    if (!this.#owners.delete(owner)) return;
    if (owner.subscribes === undefined) this.#calls -= 1;
    const left = (this.#callIds.get(owner.callId) ?? 1) - 1;
    if (left > 0) this.#callIds.set(owner.callId, left);
    else this.#callIds.delete(owner.callId);
  }

  uses(callId: string): boolean {
    return this.#callIds.has(callId);
  }

  /** As they are now. */
  all(): readonly Owner[] {
    return [...this.#owners];
  }
}

/** A Call-ID for a request out of dialog: the one that was asked for, unless a dialog has it. */
export function freeCallId({ owners, random }: Pick<Ground, 'owners' | 'random'>, wished: string | undefined): string {
  return wished === undefined || owners.uses(wished) ? random.token() : wished;
}
