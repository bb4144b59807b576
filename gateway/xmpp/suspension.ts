import type { Stanza } from '../bridge/stanza.ts';
import { ns } from './namespaces.ts';
import { type Left, nothingLeft } from './receipts.ts';
import { behind } from './stanza-count.ts';
import { StreamFault } from './stream-error.ts';

/**
 * How long a session is held for a stream that resumes it, ms: partners restart in seconds and networks mend in a
 * minute, and all the while what comes for the pair waits behind what is in doubt.
 */
export const RESUMPTION_MS = 120_000;

/** What a broken stream of a session had come to (XEP-0198 §5), until the peer tells what it has handled. */
export class Suspension {
  /** Stanzas of the peer's that we had handled, as `h`. */
  readonly handled: number;
  /** Stanzas of ours that the peer has confirmed, as `h`. */
  readonly confirmed: number;
  #left: Left;
  /** Whether its fate is known. */
  over = false;
  readonly #delivered: (stanza: Stanza) => void;

  constructor(counted: { sent: number; handled: number }, left: Left, delivered: (stanza: Stanza) => void) {
    this.confirmed = counted.sent;
    this.handled = counted.handled;
    this.#left = left;
    this.#delivered = delivered;
  }

  /** Stanzas whose fate is open. */
  get pending(): number {
    return this.#left.doubtful.length + this.#left.unsent.length;
  }

  /**
   * The session goes on and the peer has handled `h`: the rest it certainly has not. Throws {@link StreamFault} where
   * that is more than was sent.
   */
  resumed(h: number): Left {
    const taken = behind(this.confirmed, h);
    const sent = this.#left.doubtful.length;
    if (taken > sent) throw handledTooMany(h, this.confirmed + sent);
    const { doubtful, unsent } = this.#settle(taken);
    return { doubtful: [], unsent: [...doubtful, ...unsent] };
  }

  /** The session is over. Up to `h`, where the peer remembers it, all was handled; the rest stays in doubt. */
  failed(h?: number): Left {
    const taken = h === undefined ? 0 : behind(this.confirmed, h);
    const sane = taken <= this.#left.doubtful.length;
    return this.#settle(sane ? taken : 0);
  }

  #settle(taken: number): Left {
    const { doubtful, unsent } = this.#left;
    this.over = true;
    this.#left = nothingLeft;
    for (const stanza of doubtful.slice(0, taken)) if (stanza.kept !== undefined) this.#delivered(stanza);
    return { doubtful: doubtful.slice(taken), unsent };
  }
}

/** XEP-0198 §4: the peer confirms what it never got. */
export function handledTooMany(h: number | undefined, sent: number): StreamFault {
  return new StreamFault(
    'undefined-condition',
    'stream-protocol',
    `The peer confirms ${h ?? 'no number of'} stanzas, and was sent ${sent}.`,
    `<handled-count-too-high xmlns='${ns.sm}' h='${h ?? ''}' send-count='${sent}'/>`,
  );
}
