import { type ReasonCode, reasons } from './reasons.ts';

/** Where in a file an administrator finds what is meant; line and column count from 1. */
export interface Place {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

export interface FaultDetail {
  readonly place?: Place | undefined;
  /** What the reader can do about it, one sentence. */
  readonly remedy?: string | undefined;
  readonly cause?: unknown;
}

/** The error class of Drawbridge: a stable code from the registry, a message for people, where it is and what helps. */
export class Fault extends Error {
  readonly code: ReasonCode;
  readonly place: Place | undefined;
  readonly remedy: string | undefined;

  constructor(code: ReasonCode, message: string = reasons[code].operator, detail: FaultDetail = {}) {
    super(message, detail.cause === undefined ? undefined : { cause: detail.cause });
    this.name = 'Fault';
    this.code = code;
    this.place = detail.place;
    this.remedy = detail.remedy;
  }
}

/** Anything thrown as a {@link Fault}; what is none becomes the cause of one that is `internal`. */
export function asFault(error: unknown): Fault {
  return error instanceof Fault ? error : new Fault('internal', String(error), { cause: error });
}

/** A {@link Fault} that says nothing of a place gets this one, such as the key that names a file; else as thrown. */
export function withPlace(thrown: unknown, place: Place): unknown {
  if (!(thrown instanceof Fault) || thrown.place !== undefined) return thrown;
  const { code, message, remedy, cause } = thrown;
  return new Fault(code, message, { place, remedy, cause });
}

/** Why something cannot be read or written, in the system's words. */
export function systemText(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}

/** The reason code of anything thrown; what is not a {@link Fault} is `internal`. */
export function codeOf(error: unknown): ReasonCode {
  return error instanceof Fault ? error.code : 'internal';
}
