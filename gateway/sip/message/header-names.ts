/** Names as they are written, of every header that the stack reads or often meets. */
const names =
  'Accept Accept-Contact Accept-Encoding Accept-Language Alert-Info Allow Allow-Events Authentication-Info ' +
  'Authorization Call-ID Call-Info Contact Content-Disposition Content-Encoding Content-Language Content-Length ' +
  'Content-Type CSeq Date Diversion Error-Info Event Expires Feature-Caps From Geolocation History-Info Identity ' +
  'In-Reply-To Info-Package Join Max-Breadth Max-Forwards MIME-Version Min-Expires Min-SE Organization ' +
  'P-Access-Network-Info P-Asserted-Identity P-Associated-URI P-Called-Party-ID P-Charging-Vector ' +
  'P-Preferred-Identity Path Priority Privacy Proxy-Authenticate Proxy-Authorization Proxy-Require RAck Reason ' +
  'Record-Route Recv-Info Refer-Sub Refer-To Referred-By Reject-Contact Replaces Reply-To Request-Disposition ' +
  'Require Retry-After Route RSeq Security-Client Security-Server Security-Verify Server Service-Route ' +
  'Session-Expires SIP-ETag SIP-If-Match Subject Subscription-State Supported Target-Dialog Timestamp To ' +
  'Unsupported User-Agent Via Warning WWW-Authenticate';

/** Compact names, by IANA's registry of SIP header fields. */
const compact: Readonly<Record<string, string>> = {
  a: 'Accept-Contact',
  b: 'Referred-By',
  c: 'Content-Type',
  d: 'Request-Disposition',
  e: 'Content-Encoding',
  f: 'From',
  i: 'Call-ID',
  j: 'Reject-Contact',
  k: 'Supported',
  l: 'Content-Length',
  m: 'Contact',
  n: 'Identity-Info',
  o: 'Event',
  r: 'Refer-To',
  s: 'Subject',
  t: 'To',
  u: 'Allow-Events',
  v: 'Via',
  x: 'Session-Expires',
  y: 'Identity',
};

/** Spelling as written, and in lower case, to the one spelling. */
const known = new Map<string, string>();
for (const name of names.split(' ')) known.set(name, name).set(name.toLowerCase(), name);
for (const [letter, name] of Object.entries(compact)) known.set(letter, name).set(letter.toUpperCase(), name);

/** Headers whose value is a comma-separated list (RFC 3261 §7.3.1 and the grammars of the extensions). */
const lists = new Set(
  (
    'Accept Accept-Contact Accept-Encoding Accept-Language Alert-Info Allow Allow-Events Call-Info Contact ' +
    'Content-Encoding Content-Language Diversion Error-Info Feature-Caps Geolocation History-Info In-Reply-To ' +
    'P-Asserted-Identity P-Associated-URI P-Preferred-Identity Path Proxy-Require Reason Record-Route Recv-Info ' +
    'Reject-Contact Request-Disposition Require Route Security-Client Security-Server Security-Verify Service-Route ' +
    'Supported Unsupported Via Warning'
  ).split(' '),
);

/** Headers that stand in a message once at most, and that the stack reads (RFC 3261 §7.3.1), each with a bit: 27. */
const single = new Map(
  (
    'Call-ID Content-Disposition Content-Length Content-Type CSeq Date Event Expires From Max-Breadth Max-Forwards ' +
    'MIME-Version Min-Expires Min-SE RAck Refer-Sub Refer-To Referred-By Replaces Retry-After RSeq Session-Expires ' +
    'SIP-ETag SIP-If-Match Subject Subscription-State To'
  )
    .split(' ')
    .map((name, n) => [name, 1 << n]),
);

/** The one spelling of a header name, compact or not, in any case; an unknown name stays as written. */
export function headerName(written: string): string {
  return known.get(written) ?? known.get(written.toLowerCase()) ?? written;
}

/** Whether a name, as {@link headerName} gives it, is of the table. */
export function isKnownHeader(name: string): boolean {
  return known.has(name);
}

/** Whether a header, by the name that {@link headerName} gives, is a list. */
export function isListHeader(name: string): boolean {
  return lists.has(name);
}

/** The bit of a header that may stand in a message only once, by the name that {@link headerName} gives; 0 for others. */
export function singleHeaderBit(name: string): number {
  return single.get(name) ?? 0;
}
