/** The characters that XEP-0106 escapes, beside the two hexadecimal digits that stand for each. */
const digitsOf: ReadonlyMap<string, string> = new Map(
  [...' "&\'/:<>@\\'].map((character) => [character, character.charCodeAt(0).toString(16)]),
);
const characterOf: ReadonlyMap<string, string> = new Map(
  [...digitsOf].map(([character, digits]) => [digits, character]),
);

const ESCAPED = /[ "&'/:<>@]|\\(?=20|22|26|27|2f|3a|3c|3e|40|5c)/gi;
const SEQUENCE = /\\(20|22|26|27|2f|3a|3c|3e|40|5c)/gi;

/**
 * Any text as a localpart (XEP-0106 §4.2). A backslash is escaped only where it and what follows would read as an escape,
 * in either case, as servers fold localparts. Undefined where it begins or ends with a space, which no localpart can.
 */
export function escapeLocal(text: string): string | undefined {
  if (text.startsWith(' ') || text.endsWith(' ')) return undefined;
  return text.replace(ESCAPED, (character) => `\\${digitsOf.get(character)}`);
}

/** The text that a localpart stands for; undefined where it is no escaped form of any text, such as `\5cx` for `\x`. */
export function unescapeLocal(local: string): string | undefined {
  const text = local.replace(SEQUENCE, (_, digits: string) => characterOf.get(digits.toLowerCase()) ?? '');
  return escapeLocal(text)?.toLowerCase() === local.toLowerCase() ? text : undefined;
}
