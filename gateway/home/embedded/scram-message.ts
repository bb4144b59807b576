/** The `SCRAM-` mechanisms spoken, best first; those ending in `-PLUS` bind to the TLS channel (RFC 5802 §6). */
export const mechanisms = ['SCRAM-SHA-256-PLUS', 'SCRAM-SHA-1-PLUS', 'SCRAM-SHA-256', 'SCRAM-SHA-1'] as const;

export type Mechanism = (typeof mechanisms)[number];

/** The attributes of a SCRAM message by their letters; undefined where it is none (RFC 5802 §5.1, §7). */
export function readAttributes(text: string): ReadonlyMap<string, string> | undefined {
  const attributes = new Map<string, string>();
  for (const part of text.split(',')) {
    const letter = /^([A-Za-z])=/.exec(part)?.[1];
    if (letter === undefined || attributes.has(letter)) return undefined;
    attributes.set(letter, part.slice(2));
  }
  return attributes;
}

/** Base64 as SCRAM and SASL have it: padded, nothing else in it. Undefined where it is none. */
export function readBase64(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? bytes : undefined;
}

/** A user name in its `saslname` spelling, RFC 5802 §5.1. */
export function escapeName(name: string): string {
  return name.replaceAll('=', '=3D').replaceAll(',', '=2C');
}

/** The name behind a `saslname`; undefined where it has an equals sign that escapes nothing. */
export function unescapeName(saslname: string): string | undefined {
  if (/=(?!2C|3D)/.test(saslname) || saslname.includes(',')) return undefined;
  return saslname.replaceAll('=2C', ',').replaceAll('=3D', '=');
}
