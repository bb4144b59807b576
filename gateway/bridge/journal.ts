import type { Place } from '../../policies/fault.ts';
import type { ReasonCode } from '../../policies/reasons.ts';

/** What an operator can look for in the log; each event keeps its name. */
export type JournalEvent =
  | 'stream-proven'
  | 'stream-refused'
  | 'stream-closed'
  | 'stream-resumed'
  | 'connection-refused'
  | 'connection-cut'
  | 'partner-unreachable'
  | 'dialback-refused'
  | 'stanza-refused'
  | 'stanza-undeliverable'
  | 'call-started'
  | 'call-ended'
  | 'call-refused'
  | 'call-transferred'
  | 'sip-refused'
  | 'trunk-up'
  | 'trunk-down'
  | 'home-linked'
  | 'home-lost'
  | 'started'
  | 'stopped'
  | 'reloaded'
  | 'reload-failed'
  | 'defect';

/** Facts of an event. Never a body, never a key. */
export interface JournalFields {
  readonly reason?: ReasonCode | undefined;
  readonly partner?: string | undefined;
  readonly home?: string | undefined;
  readonly address?: string | undefined;
  readonly rule?: Place | undefined;
  readonly [fact: string]: unknown;
}

/** Where every floor reports what an operator must be able to see: the log and its counters. */
export interface Journal {
  /** The ordinary course of things. */
  note(event: JournalEvent, fields: JournalFields): void;
  /** Something was refused or lost, with its reason. */
  refuse(event: JournalEvent, reason: ReasonCode, fields: JournalFields): void;
}
