import type { Journal } from '../../bridge/journal.ts';
import type { EdgeHost } from '../../bridge/ports.ts';
import type { SipStack } from '../port.ts';
import type { Clock } from '../transaction/clock.ts';

export interface MessagingOptions {
  /** How long a MESSAGE may wait for the home before it is answered with 202, ms. */
  readonly answerWithinMs: number;
  /** What is on its way to a partner, for each pair of a local and a partner domain. */
  readonly queue: QueueLimits;
  /** Names this gateway to its partners, in Warning headers (RFC 3261 §20.43) and loop markers. */
  readonly name: string;
}

export interface QueueLimits {
  /** Messages waiting or under way, and their bytes. */
  readonly messages: number;
  readonly bytes: number;
  /** Conversations with a message under way. */
  readonly parallel: number;
}

/** What the policies in force say of a partner that the messaging edge must know. */
export interface MessagingPolicy {
  /** Whether messages to `sips:` addresses cross, against RFC 7247 §8. */
  readonly sipsToXmpp: boolean;
  /** Whether receipts are asked for and given by IMDN (RFC 5438). */
  readonly receipts: boolean;
  /** The longest MESSAGE as a whole, bytes. */
  readonly messageBytes: number;
}

/** What all parts of the messaging edge work with. */
export interface MessagingContext {
  readonly host: EdgeHost;
  readonly journal: Journal;
  readonly stack: SipStack;
  readonly clock: Clock;
  /** ms since the epoch. */
  readonly now: () => number;
  readonly options: MessagingOptions;
  /** By a domain of the partner. */
  readonly policyOf: (partnerDomain: string) => MessagingPolicy;
  /** 128 bits as hex, never the same. */
  readonly unique: () => string;
  /** Uniform in [0, 1). */
  readonly random: () => number;
}
