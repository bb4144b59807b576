import { type DestinationStream, destination, type Logger, pino } from 'pino';
import { type ReasonCode, reasons } from '../policies/reasons.ts';
import type { Journal, JournalEvent, JournalFields } from './bridge/journal.ts';

export interface JournalLogOptions {
  readonly level: string;
  /** Absent: standard error. */
  readonly file?: string | undefined;
  /** Takes the lines in place of a file, for tests. */
  readonly stream?: DestinationStream | undefined;
  readonly now: () => number;
}

/** Lines of one event, reason and partner within a second; a flood beyond is told by its number. */
const LINES_PER_SECOND = 100;
/** Kinds of lines counted at once. */
const KINDS = 10_000;

/** The journal as log lines (pino, one JSON object each) and as counters by event and reason. */
export class JournalLog implements Journal {
  readonly #log: Logger;
  readonly #destination: { reopen?(): void; flushSync?(): void } & DestinationStream;
  readonly #now: () => number;
  readonly #counts = new Map<string, number>();
  #second = 0;
  #lines = new Map<string, number>();

  constructor({ level, file, stream, now }: JournalLogOptions) {
    this.#destination =
      stream ?? destination({ ...(file ? { dest: file, append: true, mkdir: true } : { dest: 2 }), sync: true });
    this.#log = pino({ level, base: null }, this.#destination);
    this.#now = now;
  }

  note(event: JournalEvent, fields: JournalFields): void {
    this.#count(event, fields.reason);
    this.#log.info({ event, ...fields });
  }

  refuse(event: JournalEvent, reason: ReasonCode, fields: JournalFields): void {
    this.#count(event, reason);
    if (this.#within(`${event} ${reason} ${fields.partner ?? ''}`)) {
      this.#log.warn({ event, reason, ...fields }, reasons[reason].operator);
    }
  }

  /** Something that must not happen; the stack belongs in the log. */
  defect(error: unknown): void {
    this.#count('defect', 'internal');
    this.#log.error({ event: 'defect', err: error });
  }

  /** Counts since the start, by event and reason ('' where there is none). */
  *counts(): Generator<{ event: string; reason: string; count: number }> {
    for (const [key, count] of this.#counts) {
      const [event = '', reason = ''] = key.split(' ');
      yield { event, reason, count };
    }
  }

  /** Opens the file anew, after a rotation. */
  reopen(): void {
    this.#destination.reopen?.();
  }

  close(): void {
    this.#tellSuppressed();
    this.#destination.flushSync?.();
  }

  #count(event: string, reason: string | undefined): void {
    const key = `${event} ${reason ?? ''}`;
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
  }

  #within(kind: string): boolean {
    const second = Math.floor(this.#now() / 1000);
    if (second !== this.#second || this.#lines.size >= KINDS) {
      this.#tellSuppressed();
      this.#second = second;
    }
    const lines = (this.#lines.get(kind) ?? 0) + 1;
    this.#lines.set(kind, lines);
    return lines <= LINES_PER_SECOND;
  }

  #tellSuppressed(): void {
    for (const [kind, lines] of this.#lines) {
      if (lines <= LINES_PER_SECOND) continue;
      const [event, reason, partner] = kind.split(' ');
      this.#log.warn({ event, reason, partner, suppressed: lines - LINES_PER_SECOND }, 'More of the same.');
    }
    this.#lines = new Map();
  }
}
