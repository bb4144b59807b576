import { type Address, parseAddress } from '../../policies/address.ts';

/** Spellings remembered: the users of a busy minute. Each entry is a few hundred bytes at the most common lengths. */
const ENTRIES = 8_192;
/** Longer spellings are parsed each time, so that a hostile peer cannot fill memory with long ones. */
const LONGEST = 256;

/** Parsed addresses by their spelling: the per-stanza path parses no address twice in a row. */
export class AddressBook {
  readonly #entries = new Map<string, Address>();

  /** Undefined where the text is no address. */
  read(text: string): Address | undefined {
    const known = this.#entries.get(text);
    if (known !== undefined) return known;
    const address = parseAddress(text);
    if (address === undefined || text.length > LONGEST) return address;
    if (this.#entries.size >= ENTRIES) this.#entries.clear();
    this.#entries.set(text, address);
    return address;
  }
}
