import { malformed } from './malformed.ts';
import { formatParams, type Params, parseParams } from './params.ts';
import { classes, code, runEnd, skipSpace } from './text.ts';
import { hostEndOf, hostOf, portOf } from './uri.ts';

/** One Via of a message (RFC 3261 §20.42). */
export interface Via {
  /** In upper case: `TLS`, `TCP`, `UDP` or any other. */
  readonly transport: string;
  /** The host of sent-by in lower case; an IPv6 address stands in []. */
  readonly host: string;
  readonly port: number | undefined;
  /** '' where there is none, as with RFC 2543. */
  readonly branch: string;
  /** All parameters, the branch among them. */
  readonly params: Params;
}

/** Reads `SIP/2.0/TLS host:port;branch=…`. Throws `sip-malformed`, for other protocols too. */
export function parseVia(text: string): Via {
  let at = skipSpace(text, 0);
  const word = (): string => {
    const end = runEnd(text, at, classes.token);
    const found = text.slice(at, end);
    at = skipSpace(text, end);
    return found;
  };
  const slash = (): void => {
    if (text.charCodeAt(at) !== code.slash) throw malformed('A Via names no protocol.');
    at = skipSpace(text, at + 1);
  };
  const name = word();
  slash();
  const version = word();
  slash();
  const start = at;
  const transport = word().toUpperCase();
  if (name.toUpperCase() !== 'SIP' || version !== '2.0' || transport === '' || at === start + transport.length)
    throw malformed('A Via is of no protocol that we know.');
  const hostEnd = hostEndOf(text, at);
  if (hostEnd < 0) throw malformed('A Via names no host.');
  const host = hostOf(text.slice(at, hostEnd));
  at = skipSpace(text, hostEnd);
  let port: number | undefined;
  if (text.charCodeAt(at) === code.colon) {
    at = skipSpace(text, at + 1);
    port = portOf(word());
    if (port === undefined) throw malformed('A Via has an impossible port.');
  }
  const params = parseParams(text, at);
  return { transport, host, port, branch: params.get('branch') ?? '', params };
}

/** Writes it; the branch is what the parameters say, else the field in front of them. */
export function formatVia({ transport, host, port, branch, params }: Via): string {
  const first = branch === '' || params.has('branch') ? '' : `;branch=${branch}`;
  return `SIP/2.0/${transport} ${host}${port === undefined ? '' : `:${port}`}${first}${formatParams(params)}`;
}
