import { normalised, type SipUri } from './uri.ts';

/** Parameters that match only where both have them, even with the default value. */
const binding = ['user', 'ttl', 'method', 'maddr', 'transport'];

/** Whether two URIs are the same (RFC 3261 §19.1.4; addresses as RFC 5954 §4 has them). The relation is not transitive. */
export function sameUri(a: SipUri, b: SipUri): boolean {
  return (
    a.scheme === b.scheme &&
    normalised(a.user) === normalised(b.user) &&
    normalised(a.password) === normalised(b.password) &&
    sameHost(a.host, b.host) &&
    a.port === b.port &&
    sameParams(a, b) &&
    sameHeaders(a.headers, b.headers)
  );
}

function sameParams(a: SipUri, b: SipUri): boolean {
  for (const name of binding) if (a.params.has(name) !== b.params.has(name)) return false;
  for (const [name, value] of a.params) {
    const other = b.params.get(name);
    if (other !== undefined && normalised(value).toLowerCase() !== normalised(other).toLowerCase()) return false;
  }
  return true;
}

function sameHeaders(a: string, b: string): boolean {
  return headerSet(a) === headerSet(b);
}

/** Headers in an order of their own: that in which they are written does not matter. */
function headerSet(headers: string): string {
  return headers
    .split('&')
    .map((header) => {
      const equal = header.indexOf('=');
      return equal < 0
        ? normalised(header).toLowerCase()
        : normalised(header.slice(0, equal)).toLowerCase() + normalised(header.slice(equal));
    })
    .sort()
    .join('&');
}

function sameHost(a: string, b: string): boolean {
  return (
    a === b || (a.startsWith('[') && b.startsWith('[') && new URL(`http://${a}`).host === new URL(`http://${b}`).host)
  );
}
