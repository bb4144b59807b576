/** A power of two: a stream speaks a few dozen names and namespaces. */
const SLOTS = 128;
/** Longest string remembered, bytes. Comparing longer ones costs as much as decoding them. */
const LONGEST = 64;

/**
 * Remembers the strings a stream repeats, since comparing a few bytes costs less than making a string of them. Two that
 * fall into the same slot displace each other.
 */
export class Vocabulary {
  readonly #words: string[] = Array(SLOTS).fill('');

  /** The ASCII string in a buffer from here to there. */
  read(buffer: Buffer, from: number, to: number): string {
    const length = to - from;
    if (length === 0) return '';
    if (length > LONGEST) return buffer.toString('latin1', from, to);
    const middle = buffer[from + (length >> 1)] as number;
    const slot = (length + (buffer[from] as number) * 3 + middle * 7 + (buffer[to - 1] as number) * 13) & (SLOTS - 1);
    const known = this.#words[slot] as string;
    if (known.length === length && spells(buffer, from, known)) return known;
    const word = buffer.toString('latin1', from, to);
    this.#words[slot] = word;
    return word;
  }
}

/** Whether the bytes from here on are those of an ASCII string. */
export function spells(buffer: Buffer, from: number, text: string): boolean {
  for (let k = 0; k < text.length; k++) if (buffer[from + k] !== text.charCodeAt(k)) return false;
  return true;
}
