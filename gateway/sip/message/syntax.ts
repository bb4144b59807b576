import { Fault } from '../../../policies/fault.ts';
import type { Headers } from './headers.ts';
import { malformed } from './malformed.ts';
import type { SipMessage, SipRequest, SipResponse } from './message.ts';
import { parseNameAddress } from './name-address.ts';
import { classes, isIn, wholeNumber } from './text.ts';
import { parseUri, schemeOf } from './uri.ts';
import { parseVia } from './via.ts';

/** What a malformed request is answered with; a malformed response is dropped. */
export interface SyntaxFault {
  /** 400 or 505. */
  readonly status: number;
  readonly reason: string;
}

/** Lists of addresses that routing relies on. */
const addressLists = ['Contact', 'Route', 'Record-Route'];
/** Headers of seconds, up to {@link LARGEST_COUNT} (RFC 3261 §20.19). */
const counts = ['Expires', 'Min-Expires'];
const LARGEST_COUNT = 2 ** 32 - 1;

/**
 * Everything that the stack relies on and that RFC 4475 wants refused; undefined where a message is sound. What RFC 3261
 * tells to take of RFC 2543 is sound: a Via without a branch, a From without a tag.
 */
export function syntaxFault(message: SipMessage): SyntaxFault | undefined {
  if (!/^SIP\/2\.0$/i.test(message.version)) {
    if (/^SIP\/[0-9]+\.[0-9]+$/i.test(message.version)) return { status: 505, reason: 'Version Not Supported' };
    return { status: 400, reason: 'Malformed start line' };
  }
  try {
    if (message.kind === 'request') checkRequest(message);
    else checkResponse(message);
    checkHeaders(message);
    return undefined;
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    return { status: 400, reason: error.message.replace(/\.$/, '') };
  }
}

function checkRequest(request: SipRequest): void {
  const scheme = schemeOf(request.uri);
  if (scheme === '' || !isIn(request.uri, classes.uri)) throw malformed('The Request-URI is malformed.');
  if (scheme === 'sip' || scheme === 'sips') {
    const uri = parseUri(request.uri);
    if (uri === undefined) throw malformed('The Request-URI is malformed.');
    // RFC 3261 §19.1.1, table 1.
    if (uri.headers !== '' || uri.params.has('method')) throw malformed('The Request-URI holds headers or a method.');
  }
  if (request.cseq.method !== request.method) throw malformed('The CSeq is of another method.');
}

function checkResponse({ status }: SipResponse): void {
  if (status === 0) throw malformed('The status is none of 100 to 699.');
}

function checkHeaders(message: SipMessage): void {
  const { headers, from, to, topVia } = message;
  if (headers.repeated !== undefined) throw malformed(`${headers.repeated} is there twice.`);
  // These throw where they are missing or malformed.
  message.callId;
  message.cseq;
  message.maxForwards;
  // The cookie alone tells no transaction from another (RFC 3261 §8.1.1.7).
  if (topVia.branch.toLowerCase() === 'z9hg4bk') throw malformed('The branch of the Via is empty.');
  for (const via of headers.elements('Via').slice(1)) parseVia(via);
  checkAddress(from.uri);
  checkAddress(to.uri);
  for (const name of addressLists) checkAddresses(headers, name);
  for (const name of counts) {
    const value = headers.get(name);
    if (value !== undefined && wholeNumber(value, LARGEST_COUNT) === undefined)
      throw malformed(`${name} is no number.`);
  }
}

function checkAddresses(headers: Headers, name: string): void {
  const addresses = headers.elements(name);
  if (name === 'Contact' && addresses.length === 1 && addresses[0] === '*') return;
  for (const address of addresses) checkAddress(parseNameAddress(address).uri);
}

function checkAddress(uri: string): void {
  const scheme = schemeOf(uri);
  if ((scheme === 'sip' || scheme === 'sips') && parseUri(uri) === undefined)
    throw malformed('An address is malformed.');
}
