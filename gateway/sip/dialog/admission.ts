import { parseContentType } from '../message/content-type.ts';
import type { SipRequest } from '../message/message.ts';
import { methods, optionTags } from '../message/options.ts';
import { schemeOf } from '../message/uri.ts';
import type { Answer } from '../port.ts';
import { SDP_TYPE, sdpOf } from './body.ts';
import { hopsOf } from './incoming-request.ts';

const known: ReadonlySet<string> = new Set(methods);
const spoken: ReadonlySet<string> = new Set(optionTags);
const schemes: ReadonlySet<string> = new Set(['sip', 'sips', 'tel']);
/** Methods whose body, if any, is a session description. */
const describing: ReadonlySet<string> = new Set(['INVITE', 'UPDATE', 'PRACK']);
/** Routes that a dialog may keep: memory for as long as the call, and headers on each of its requests. */
const MOST_ROUTES = 16;

/** Why a request out of dialog is refused by itself, in the order of RFC 3261 §8.2; undefined where it is not. */
export function refusalOf(request: SipRequest): Answer | undefined {
  if (!known.has(request.method)) return { status: 405 };
  if (!schemes.has(schemeOf(request.uri))) return { status: 416 };
  // RFC 3261 §11: whoever it is for may answer an OPTIONS that has no hop left.
  if (hopsOf(request) === 0 && request.method !== 'OPTIONS') return { status: 483 };
  if (request.headers.all('Record-Route').length > MOST_ROUTES) return { status: 400, reason: 'Too Many Routes' };
  return extensionRefusal(request) ?? contentRefusal(request);
}

/** Why a request within a dialog is refused by itself (RFC 3261 §12.2.2). */
export function refusalInDialog(request: SipRequest): Answer | undefined {
  return extensionRefusal(request) ?? contentRefusal(request);
}

/** RFC 3261 §8.2.2.3; Proxy-Require too, for what it asks of the way concerns a gateway. */
function extensionRefusal({ headers }: SipRequest): Answer | undefined {
  const required = [...headers.all('Require'), ...headers.all('Proxy-Require')];
  const foreign = required.filter((tag) => !spoken.has(tag.toLowerCase()));
  return foreign.length === 0 ? undefined : { status: 420, headers: [['Unsupported', foreign.join(', ')]] };
}

/** RFC 3261 §8.2.3: a body that is no session description, where only one is understood. */
function contentRefusal(request: SipRequest): Answer | undefined {
  const { method, headers, body } = request;
  const encoded = headers.all('Content-Encoding').some((coding) => coding.toLowerCase() !== 'identity');
  if (encoded) return { status: 415, headers: [['Accept-Encoding', 'identity']] };
  if (!describing.has(method)) return undefined;
  if (body.length > 0 && sdpOf(request) === undefined && !isOptional(headers.get('Content-Disposition')))
    return { status: 415, headers: [['Accept', SDP_TYPE]] };
  const accepts = method === 'INVITE' && headers.has('Accept') ? headers.all('Accept') : undefined;
  return accepts === undefined || accepts.some(takesSdp) ? undefined : { status: 406 };
}

/** RFC 3261 §20.11: a body that may be left aside. */
function isOptional(disposition: string | undefined): boolean {
  return disposition !== undefined && /;\s*handling\s*=\s*optional/i.test(disposition);
}

function takesSdp(range: string): boolean {
  const type = parseContentType(range)?.type;
  return type === SDP_TYPE || type === 'application/*' || type === '*/*';
}
