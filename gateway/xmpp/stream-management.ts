import type { Stanza } from '../bridge/stanza.ts';
import { ns } from './namespaces.ts';
import { type Receipts, UNCONFIRMED } from './receipts.ts';
import type { ScannedElement } from './start-tag.ts';
import { StreamFault } from './stream-error.ts';
import { Window } from './window.ts';
import type { XmlStream } from './xml-stream.ts';

/** The least time between two batches, ms: what a stanza may wait under load. `<r/>` costs less than a ping. */
const SPACING_MS = 10;
const LAPS = 2 ** 32;

/** XEP-0198 on a stream we opened, for its acknowledgements; no session is ever resumed. */
export class StreamManagement implements Receipts {
  readonly #xml: XmlStream;
  readonly #room: () => void;
  readonly #window: Window;
  #handled = 0;
  #refused = false;

  /** Asks to enable it (§3). `room` is called when the peer has confirmed something. */
  constructor(xml: XmlStream, room: () => void) {
    this.#xml = xml;
    this.#room = room;
    this.#window = new Window({ ...UNCONFIRMED, spacingMs: SPACING_MS }, (stanzas) => {
      for (const { bytes } of stanzas) xml.send(bytes);
      if (!this.#refused) xml.send(`<r xmlns='${ns.sm}'/>`);
      else this.#window.confirm(this.#window.written);
    });
    xml.send(`<enable xmlns='${ns.sm}'/>`);
  }

  get full(): boolean {
    return this.#window.full;
  }

  send(stanza: Stanza): void {
    this.#window.add(stanza);
  }

  flush(): void {
    this.#window.flush();
  }

  probe(): boolean {
    if (!this.#refused) this.#xml.send(`<r xmlns='${ns.sm}'/>`);
    return !this.#refused;
  }

  close(allRead: boolean, settled: (left: Stanza[]) => void): void {
    const left = this.#window.close();
    settled(allRead ? [] : left);
  }

  /** Counts a stanza of the peer's, for it to ask about. */
  took(): void {
    this.#handled++;
  }

  /** Throws {@link StreamFault} where the peer confirms what it never got. */
  element({ name, bytes }: ScannedElement): void {
    if (name === 'r') this.#xml.answer(`<a xmlns='${ns.sm}' h='${this.#handled % LAPS}'/>`);
    else if (name === 'enabled') this.#handled = 0;
    else if (name === 'failed') {
      this.#refused = true;
      this.#window.confirm(this.#window.written);
      this.#room();
    } else if (name === 'a') {
      const h = Number(/\sh\s*=\s*['"](\d{1,10})['"]/.exec(bytes.toString())?.[1] ?? Number.NaN);
      const { written } = this.#window;
      // h wraps at 2^32 (§4): the distance from what was written tells the lap.
      const behind = (((written - h) % LAPS) + LAPS) % LAPS;
      if (Number.isNaN(h) || behind > 2 * UNCONFIRMED.stanzas) {
        throw new StreamFault('undefined-condition', 'stream-protocol', `The peer confirms ${h} stanzas it never got.`);
      }
      this.#window.confirm(written - behind);
      this.#room();
    }
  }
}
