import { Fault } from '../../../policies/fault.ts';
import type { FlowLimits } from './limits.ts';

export type HeadLimits = Pick<FlowLimits, 'headerLines' | 'lineBytes' | 'headBytes'>;

const LF = 0x0a;
const CR = 0x0d;

/**
 * Finds the end of a message's head line by line as bytes come: each byte is looked at once. Lines end with CRLF and
 * nothing else (RFC 3261 §7), so that no two readers disagree on where a head ends.
 */
export class HeadScan {
  readonly #limits: HeadLimits;
  /** Offsets from the start of the message. */
  #line = 0;
  #searched = 0;
  #lines = 0;

  constructor(limits: HeadLimits) {
    this.#limits = limits;
  }

  reset(): void {
    this.#line = 0;
    this.#searched = 0;
    this.#lines = 0;
  }

  /**
   * Goes on over `data`, in which the message starts at `start`; the bytes seen before must be there still.
   * Returns the length of the head with its empty line once it is complete. Throws `sip-malformed`, `sip-too-big`.
   */
  scan(data: Buffer, start: number): number | undefined {
    const { headerLines, lineBytes, headBytes } = this.#limits;
    const available = data.length - start;
    for (;;) {
      const found = data.indexOf(LF, start + this.#searched);
      const end = found < 0 ? available : found - start;
      // Without the CR of the line, or of the empty line at the end.
      if (end - this.#line > lineBytes + 1) throw new Fault('sip-too-big', `A line has more than ${lineBytes} bytes.`);
      if (end > headBytes + 1) throw new Fault('sip-too-big', `The headers have more than ${headBytes} bytes.`);
      this.#searched = end;
      if (found < 0) return undefined;
      if (end === this.#line || data[found - 1] !== CR) throw new Fault('sip-malformed', 'A line ends without CR.');
      if (end === this.#line + 1) return end + 1;
      // The start line is none.
      if (this.#lines++ > headerLines) throw new Fault('sip-too-big', `There are more than ${headerLines} headers.`);
      this.#line = end + 1;
      this.#searched = end + 1;
    }
  }
}
