/** Percent-encodes, as UTF-8, every character outside `literal`, a class of single characters (RFC 3986 §2.1). */
export function percentEncode(text: string, literal: RegExp): string {
  let encoded = '';
  for (const character of text) {
    if (literal.test(character)) encoded += character;
    else for (const byte of Buffer.from(character)) encoded += `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return encoded;
}

const PERCENT = 0x25;
const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The text behind ASCII with `%HH` octets that spell UTF-8; undefined where an escape is broken or the octets are no UTF-8. */
export function percentDecode(text: string): string | undefined {
  if (!text.includes('%')) return text;
  const bytes = Buffer.from(text, 'latin1');
  let length = 0;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] as number;
    if (byte !== PERCENT) {
      bytes[length++] = byte;
      continue;
    }
    const digits = text.slice(at + 1, at + 3);
    if (!/^[0-9a-fA-F]{2}$/.test(digits)) return undefined;
    bytes[length++] = Number.parseInt(digits, 16);
    at += 2;
  }
  return decodeUtf8(bytes.subarray(0, length));
}

/** Octets as UTF-8, undefined where they are none. */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return strictUtf8.decode(bytes);
  } catch {
    return undefined;
  }
}
