import { malformed } from './malformed.ts';
import { classes, code, isIn, quotedEnd, quotedText, runEnd, skipSpace, unquoted } from './text.ts';

/** Parameters by name in lower case; one without a value has the value ''. The values of headers are unquoted. */
export type Params = ReadonlyMap<string, string>;

export const noParams: Params = new Map();

/**
 * Reads `;name=value;flag` from `from` to the end (RFC 3261 §25.1, generic-param).
 * Throws `sip-malformed` where that is no list of parameters, or names one twice (§7.3.1).
 */
export function parseParams(text: string, from = 0): Params {
  let at = skipSpace(text, from);
  if (at === text.length) return noParams;
  const params = new Map<string, string>();
  while (at < text.length) {
    if (text.charCodeAt(at) !== code.semicolon) throw malformed('A parameter does not start with a semicolon.');
    at = skipSpace(text, at + 1);
    const nameEnd = runEnd(text, at, classes.token);
    if (nameEnd === at) throw malformed('A parameter has no name.');
    const name = text.slice(at, nameEnd).toLowerCase();
    at = skipSpace(text, nameEnd);
    let value = '';
    if (text.charCodeAt(at) === code.equal) {
      at = skipSpace(text, at + 1);
      const quoted = text.charCodeAt(at) === code.quote;
      const valueEnd = quoted ? quotedEnd(text, at) : runEnd(text, at, classes.paramValue);
      if (valueEnd === at) throw malformed('A parameter has an equals sign and no value.');
      value = text.slice(at, valueEnd);
      if (quoted) value = unquoted(value);
      at = skipSpace(text, valueEnd);
    }
    if (params.has(name)) throw malformed('A parameter is there twice.');
    params.set(name, value);
  }
  return params;
}

/** Writes `;name=value;flag`; values that are no token and no host are quoted. */
export function formatParams(params: Params): string {
  let text = '';
  for (const [name, value] of params) {
    text += value === '' ? `;${name}` : `;${name}=${isIn(value, classes.paramValue) ? value : quotedText(value)}`;
  }
  return text;
}
