import fc from 'fast-check';
import { Headers } from './headers.ts';
import { SipRequest, SipResponse } from './message.ts';
import { formatNameAddress, type NameAddress } from './name-address.ts';
import type { Params } from './params.ts';
import { classes, isIn, trimmed } from './text.ts';
import { formatUri, type SipUri } from './uri.ts';
import { formatVia, type Via } from './via.ts';

const ascii = Array.from({ length: 94 }, (_, n) => String.fromCharCode(33 + n));

/** Text of one class of characters. */
export function textOf(mask: number, minLength = 1): fc.Arbitrary<string> {
  const characters = ascii.filter((character) => isIn(character, mask));
  return fc.string({ unit: fc.constantFrom(...characters), minLength, maxLength: 12 });
}

const token = textOf(classes.token);
const port = fc.option(fc.integer({ min: 1, max: 65_535 }), { nil: undefined });
/** With escapes here and there. */
const escaped = (mask: number): fc.Arbitrary<string> =>
  fc
    .array(fc.oneof(textOf(mask), fc.constantFrom('%20', '%41', '%C3%A9', '%00', '%3B')), {
      minLength: 1,
      maxLength: 3,
    })
    .map((pieces) => pieces.join(''));

const label = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,5}[a-z0-9])?$/);
const host = fc.oneof(
  fc.array(label, { minLength: 1, maxLength: 3 }).map((labels) => labels.join('.')),
  fc.ipV4(),
  fc.ipV6().map((address) => `[${address.toLowerCase()}]`),
);

/** Text that may stand in a header: any characters but CR, LF and NUL, and no white space around it. */
export const headerText: fc.Arbitrary<string> = fc
  .string({ unit: 'binary', maxLength: 40 })
  .map((text) => trimmed(text.replace(/[\r\n\0]/g, '')).toWellFormed());

/** Header parameters; a value may be any text. */
export const params: fc.Arbitrary<Params> = fc
  .dictionary(
    token.map((name) => name.toLowerCase()),
    fc.oneof(fc.constant(''), textOf(classes.paramValue), headerText),
    { maxKeys: 3, noNullPrototype: true },
  )
  .map((entries) => new Map(Object.entries(entries)));

const uriParams: fc.Arbitrary<Params> = fc
  .array(fc.tuple(textOf(classes.uriParam), fc.oneof(fc.constant(''), escaped(classes.uriParam))), { maxLength: 3 })
  .map((entries) => new Map(entries.map(([name, value]) => [name.toLowerCase(), value])));

export const sipUri: fc.Arbitrary<SipUri> = fc
  .record({
    scheme: fc.constantFrom('sip' as const, 'sips' as const),
    user: fc.oneof(fc.constant(''), escaped(classes.user)),
    password: fc.oneof(fc.constant(''), escaped(classes.password)),
    host,
    port,
    params: uriParams,
    headers: fc.oneof(fc.constant(''), escaped(classes.uriHeader)),
  })
  .map((uri) => (uri.user === '' ? { ...uri, password: '' } : uri));

export const nameAddress: fc.Arbitrary<NameAddress> = fc.record({
  display: headerText,
  uri: fc
    .tuple(fc.stringMatching(/^[a-z][a-z0-9+.-]{0,5}$/), textOf(classes.uri))
    .map(([scheme, rest]) => `${scheme}:${rest}`),
  params,
});

export const via: fc.Arbitrary<Via> = fc
  .record({ transport: token.map((text) => text.toUpperCase()), host, port, params })
  .map((read) => ({ ...read, branch: read.params.get('branch') ?? '' }));

const headers = fc
  .array(
    fc.tuple(
      fc.oneof(token, fc.constantFrom('Via', 'From', 'v', 'call-id', 'CONTACT', 'Supported', 'x-y')),
      headerText,
    ),
    { maxLength: 12 },
  )
  .map((fields) => new Headers(fields.filter(([name]) => !/^(content-length|l)$/i.test(name))));

const body = fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes));

/** Any message that can be written. */
export const sendable: fc.Arbitrary<SipRequest | SipResponse> = fc.oneof(
  fc
    .tuple(token, textOf(classes.uri), headers, body)
    .map(([method, uri, ...rest]) => new SipRequest(method, uri, ...rest)),
  fc
    .tuple(fc.integer({ min: 100, max: 699 }), headerText, headers, body)
    .map(([status, reason, ...rest]) => new SipResponse(status, reason, ...rest)),
);

/** What the checks of syntax look at. */
const read = 'Via From To Call-ID CSeq Contact Max-Forwards Route Record-Route Expires Min-Expires'.split(' ');

const routed = fc.record({ via, from: sipUri, to: sipUri, tag: token, callId: token });

/** Messages that the stack has nothing against. */
export const sound: fc.Arbitrary<SipRequest | SipResponse> = fc
  .tuple(sendable, sipUri, fc.nat(2 ** 31 - 1), routed)
  .map(([message, target, number, { via, from, to, tag, callId }]) => {
    for (const name of read) message.headers.delete(name);
    for (let name = message.headers.repeated; name !== undefined; name = message.headers.repeated) {
      message.headers.delete(name);
    }
    const method = message instanceof SipRequest ? message.method : 'MESSAGE';
    if (message instanceof SipRequest) message.uri = formatUri({ ...target, params: new Map(), headers: '' });
    message.headers
      .append('Via', formatVia({ ...via, branch: 'z9hG4bKx', params: new Map() }))
      .append('From', formatNameAddress({ display: '', uri: formatUri(from), params: new Map([['tag', tag]]) }))
      .append('t', `<${formatUri(to)}>`)
      .append('Call-ID', callId)
      .append('CSeq', `${number} ${method}`);
    return message;
  });
