import { codeOf } from '../../policies/fault.ts';
import type { DialbackOutcome } from './evidence/dialback.ts';
import type { OutgoingStream } from './outgoing.ts';

export interface KeyVerifierOwner {
  readonly streams: Iterable<OutgoingStream>;
  /** Opens a stream for nothing but a question. Rejects with a `Fault`. */
  connect(home: string, partner: string): Promise<OutgoingStream>;
}

/** Verifications under way at once: each is a connection made at a stranger's word. */
const VERIFYING = 64;
/** Of them, for one domain: the questions about one whose server does not answer leave room for the others. */
const VERIFYING_EACH = 8;
/** How lately a peer must have been heard to be asked on a stream that stands, and how long its answer may take, ms. */
const HEARD_MS = 5_000;

/** Asks the authoritative servers of domains about dialback keys (XEP-0220 §2.1.2), never on the stream they came on. */
export class KeyVerifier {
  readonly #owner: KeyVerifierOwner;
  /** Verifications under way, by the domain they are about. */
  readonly #verifying: string[] = [];

  constructor(owner: KeyVerifierOwner) {
    this.#owner = owner;
  }

  async verify(home: string, partner: string, streamId: string, key: string): Promise<DialbackOutcome> {
    // Only a stream whose peer is heard: after a crash without a word the old one stands for minutes, and answers nothing.
    const heardSince = Date.now() - HEARD_MS;
    const standing = [...this.#owner.streams].find(
      ({ partner: of, purpose, open, xml }) =>
        of === partner && purpose === 'traffic' && open && xml.lastRead > heardSince,
    );
    const answer = await standing?.verify(home, streamId, key, HEARD_MS);
    if (answer !== undefined && answer !== 'dialback-unreachable') return answer;
    const here = this.#verifying.filter((domain) => domain === partner).length;
    if (this.#verifying.length >= VERIFYING || here >= VERIFYING_EACH) return 'connections-full';
    this.#verifying.push(partner);
    try {
      const stream = await this.#owner.connect(home, partner);
      const outcome = await stream.verify(home, streamId, key);
      stream.close();
      return outcome;
    } catch (error) {
      return codeOf(error);
    } finally {
      this.#verifying.splice(this.#verifying.indexOf(partner), 1);
    }
  }
}
