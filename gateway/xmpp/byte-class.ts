/** What a byte of XML may be part of, as bits of {@link classes}. */
/** Part of a name, the colon left out. */
export const NAME = 1;
export const NAME_START = 2;
export const SPACE = 4;
/** Character data that stands for itself: ASCII, no markup, no `]`. */
export const TEXT = 8;
/** An attribute value that stands for itself: TEXT and `]`, without quotes and without white space to normalise. */
export const VALUE = 16;
/** Part of a character beyond ASCII. */
export const HIGH = 32;
/** First byte of U+F000 to U+FFFF, of which U+FFFE and U+FFFF are no characters of XML. */
export const SUSPECT = 64;

export const classes = new Uint8Array(256);
for (let byte = 0; byte < 256; byte++) {
  const character = String.fromCharCode(byte);
  let bits = 0;
  if (/[A-Za-z0-9_.-]/.test(character)) bits |= NAME;
  if (/[A-Za-z_]/.test(character)) bits |= NAME_START;
  if (/[ \t\r\n]/.test(character)) bits |= SPACE;
  if (/[\t\r\n -~\x7f]/.test(character) && !/[<&\]]/.test(character)) bits |= TEXT;
  if (/[ -~\x7f]/.test(character) && !/[<&'"]/.test(character)) bits |= VALUE;
  if (byte === 0xef) bits |= SUSPECT;
  else if (byte >= 0x80) bits |= HIGH;
  classes[byte] = bits;
}
