import { closeSync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { type DestinationStream, destination, type Logger, pino } from 'pino';
import { Fault, systemText } from '../policies/fault.ts';
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
/** Lines in all within a second: a peer can name a new domain with every refusal, and each line is written at once. */
const LINES_IN_ALL = 1_000;
/** Lines kept while they cannot be written, bytes; beyond they are dropped. */
const UNWRITTEN = 4 * 1024 * 1024;
/** What is told at the level of errors: the gateway runs on, with something else than its files say. */
const LOUD: ReadonlySet<JournalEvent> = new Set(['reload-failed']);
/** Kinds of lines counted at once; what is beyond is counted by event and reason alone. */
const KINDS = 1_000;
/** Longest fact in a line: ids and addresses are the sender's to choose, and may be as long as a stanza. */
const LONGEST_FACT = 512;

/** The journal as log lines (pino, one JSON object each) and as counters by event and reason. */
export class JournalLog implements Journal {
  readonly #log: Logger;
  readonly #destination: { reopen?(): void; flushSync?(): void } & DestinationStream;
  /** Undefined where lines go elsewhere. */
  readonly #file: string | undefined;
  readonly #now: () => number;
  readonly #counts = new Map<string, number>();
  #second = 0;
  #failing = false;
  /** Lines written in this second, and of each kind the lines written and held back. */
  #written = 0;
  #kinds = new Map<string, { written: number; heldBack: number }>();

  /** Throws Fault `config-invalid` where the file cannot be written to. */
  constructor({ level, file, stream, now }: JournalLogOptions) {
    this.#destination =
      stream ??
      opened(file, () => {
        this.#failing = true;
        this.#count('log-failed', 'internal');
      });
    this.#log = pino({ level, base: null }, this.#destination);
    this.#file = stream === undefined ? file : undefined;
    this.#now = now;
  }

  note(event: JournalEvent, fields: JournalFields): void {
    this.#count(event, fields.reason);
    this.#log.info({ event, ...clipped(fields) });
  }

  refuse(event: JournalEvent, reason: ReasonCode, fields: JournalFields): void {
    this.#count(event, reason);
    if (this.#within(`${event} ${reason} ${fields.partner ?? ''}`)) {
      const level = LOUD.has(event) ? 'error' : 'warn';
      this.#log[level]({ event, reason, ...clipped(fields) }, reasons[reason].operator);
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

  /**
   * Opens the file anew, after a rotation; standard error stays as it is. Throws Fault `config-invalid` where the file
   * cannot be written to; lines go on into the old one then.
   */
  reopen(): void {
    if (this.#file === undefined) return;
    requireWritable(this.#file);
    this.#destination.reopen?.();
  }

  close(): void {
    this.#tellSuppressed();
    // Lines are written as they come; on a full disk this would wait for room for ever.
    if (!this.#failing) this.#destination.flushSync?.();
  }

  #count(event: string, reason: string | undefined): void {
    const key = `${event} ${reason ?? ''}`;
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
  }

  #within(kind: string): boolean {
    const second = Math.floor(this.#now() / 1000);
    if (second !== this.#second) {
      this.#tellSuppressed();
      this.#second = second;
    }
    const name = this.#kinds.has(kind) || this.#kinds.size < KINDS ? kind : kind.slice(0, kind.lastIndexOf(' '));
    const lines = this.#kinds.get(name) ?? { written: 0, heldBack: 0 };
    this.#kinds.set(name, lines);
    if (lines.written >= LINES_PER_SECOND || this.#written >= LINES_IN_ALL) {
      lines.heldBack++;
      return false;
    }
    lines.written++;
    this.#written++;
    return true;
  }

  #tellSuppressed(): void {
    for (const [kind, { heldBack }] of this.#kinds) {
      if (heldBack === 0) continue;
      const [event, reason, partner] = kind.split(' ');
      this.#log.warn({ event, reason, partner, suppressed: heldBack }, 'More of the same.');
    }
    this.#written = 0;
    this.#kinds = new Map();
  }
}

/** `failed` is called where a line cannot be written: a full disk must not end what the log is about. */
function opened(file: string | undefined, failed: () => void): DestinationStream {
  if (file !== undefined) requireWritable(file);
  const where = file === undefined ? { dest: 2 } : { dest: file, append: true };
  const stream = destination({ ...where, sync: true, maxLength: UNWRITTEN });
  stream.on('error', failed);
  return stream;
}

/** Tried ahead of the stream, which after an attempt that failed would close its old file twice. */
function requireWritable(file: string): void {
  try {
    mkdirSync(dirname(file), { recursive: true });
    closeSync(openSync(file, 'a'));
  } catch (cause) {
    const remedy = 'name a file in a folder that the gateway may write to, or leave `log.file` out for standard error';
    throw new Fault('config-invalid', `the log file cannot be opened: ${systemText(cause)}`, { remedy, cause });
  }
}

function clipped(fields: JournalFields): Record<string, unknown> {
  const facts: Record<string, unknown> = { ...fields };
  for (const [name, fact] of Object.entries(facts)) {
    if (typeof fact === 'string' && fact.length > LONGEST_FACT) facts[name] = `${fact.slice(0, LONGEST_FACT)}…`;
  }
  return facts;
}
