import { Fault } from '../../../policies/fault.ts';

/** The fault of a message, header or address that breaks RFC 3261; `what` is a sentence that repeats no input. */
export function malformed(what: string): Fault {
  return new Fault('sip-malformed', what);
}
