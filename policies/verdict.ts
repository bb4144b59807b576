import type { Address } from './address.ts';
import type { Place } from './fault.ts';
import type { ReasonCode } from './reasons.ts';
import type { Show } from './schema/traffic.ts';

/** What wants to cross. */
export type Kind = 'message' | 'presence' | 'subscription' | 'iq' | 'call' | 'transfer' | 'join';
/** Inbound is from the partner to us. */
export type Direction = 'inbound' | 'outbound';

/** One crossing, as policy is asked about it. */
export interface Question {
  readonly kind: Kind;
  readonly direction: Direction;
  readonly via: 'xmpp' | 'sip';
  readonly local: Address;
  readonly remote: Address;
  /** Bytes of the stanza on the wire, where it has a size. */
  readonly bytes?: number;
  /** The namespace of an IQ's payload. */
  readonly namespace?: string;
  /** ms since the epoch. */
  readonly at: number;
}

/** What policy says of a crossing; frozen, and the same object each time the same rule decides. */
export interface Verdict {
  readonly verdict: 'allow' | 'reshape' | 'refuse';
  readonly reason: ReasonCode;
  /** The line that decided, undefined where silence did. */
  readonly rule: Place | undefined;
  /** How much of the local user the partner sees, where presence is concerned. */
  readonly show?: Show;
}

/** A rule that was looked at on the way to a verdict. */
export interface Consideration {
  readonly file: string;
  readonly line: number;
  /** The rule as written. */
  readonly rule: string;
  readonly matched: boolean;
  readonly why: string;
}

export function allow(rule: Place | undefined, show?: Show): Verdict {
  return verdict('allow', 'allowed', rule, show);
}

export function reshape(reason: ReasonCode, rule: Place | undefined, show: Show): Verdict {
  return verdict('reshape', reason, rule, show);
}

export function refuse(reason: ReasonCode, rule?: Place, show?: Show): Verdict {
  return verdict('refuse', reason, rule, show);
}

function verdict(kind: Verdict['verdict'], reason: ReasonCode, rule: Place | undefined, show?: Show): Verdict {
  return Object.freeze({ verdict: kind, reason, rule, ...(show === undefined ? {} : { show }) });
}
