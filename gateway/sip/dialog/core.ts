import type { SipHandlers } from '../port.ts';
import type { Clock } from '../transaction/clock.ts';
import type { ServerTransaction } from '../transaction/transaction.ts';
import type { Dialogs } from './dialogs.ts';
import type { Random } from './random.ts';

export interface DialogLimits {
  /** Calls at a time, from the INVITE to the end. */
  readonly calls: number;
  /** Early dialogs of one call of ours: more branches than that ring nowhere. */
  readonly earlyDialogs: number;
  /** Requests within one dialog that wait for their answer, each way. */
  readonly pendingRequests: number;
  /** How long a call may ring, and a re-INVITE wait, ms: a little more than timer C of proxies (RFC 3261 §16.6). */
  readonly setupMs: number;
  /** The session interval that we ask for, s (RFC 4028 §4 recommends 1800). */
  readonly sessionSeconds: number;
}

export const dialogLimits: DialogLimits = {
  calls: 10_000,
  earlyDialogs: 12,
  pendingRequests: 8,
  setupMs: 200_000,
  sessionSeconds: 1_800,
};

/** Anything that counts as a call and ends with the user agent. */
export interface OpenCall {
  /** Ends it as well as can be done without waiting; leaves no timer. */
  close(): void;
}

/** A server transaction that still waits for our final response. */
export interface PendingAnswer {
  /** CANCEL came. */
  cancel(): void;
  /** Its flow is gone. */
  lost(): void;
}

/** What all calls of one user agent share. */
export interface Core {
  readonly clock: Clock;
  readonly random: Random;
  readonly limits: DialogLimits;
  readonly dialogs: Dialogs;
  readonly calls: Set<OpenCall>;
  readonly pending: Map<ServerTransaction, PendingAnswer>;
  readonly handlers: () => SipHandlers;
  /** Something that must not happen did. */
  readonly defect: (error: unknown) => void;
}
