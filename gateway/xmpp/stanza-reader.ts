import { Fault } from '../../policies/fault.ts';
import type { Stanza, StanzaName } from '../bridge/stanza.ts';
import { ns } from './namespaces.ts';
import { Scanner, type ScannerLimits } from './scanner.ts';
import type { ScannedElement } from './start-tag.ts';

const HEADER = Buffer.from(`<stream:stream xmlns='${ns.server}' xmlns:stream='${ns.streams}'>`);

/** Reads stanzas back from the portable bytes that they were kept as. */
export class StanzaReader {
  readonly #scanner: Scanner;
  #element: ScannedElement | undefined;

  constructor(limits: ScannerLimits) {
    const take = (element: ScannedElement): void => {
      this.#element = element;
    };
    this.#scanner = new Scanner({ header: () => undefined, element: take, footer: () => undefined }, limits, ns.server);
    this.#scanner.push(HEADER);
  }

  /** Throws a {@link Fault} where the bytes are not those of one stanza. */
  read(bytes: Buffer): Stanza {
    this.#element = undefined;
    this.#scanner.push(bytes);
    const element = this.#element as ScannedElement | undefined;
    if (element === undefined) throw new Fault('store-unusable', 'A kept stanza is not whole.');
    return { ...element, name: element.name as StanzaName };
  }
}
