import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseAddress } from '../../policies/address.ts';
import { jidOf, jidOfXmppUri, strayGruu, uriInHeader, uriOf, xmppUriOf } from './address.ts';

const numbersAt = 'gw.example.net';

/** One line each: the URI and the JID that stand for each other, both ways. */
const pairs: readonly (readonly [uri: string, jid: string])[] = [
  // RFC 7247 §6.4 and §6.5.
  ['sip:romeo@example.net', 'romeo@example.net'],
  ["sip:f'n'w@example.com", 'f\\27n\\27w@example.com'],
  ["sip:d'arc@example.net", 'd\\27arc@example.net'],
  ['sip:a&b@example.com', 'a\\26b@example.com'],
  ['sip:o/o@example.com', 'o\\2fo@example.com'],
  ['sip:tsch%C3%BCss@example.org', 'tschüss@example.org'],
  ['sip:jos%C3%A9@example.com', 'josé@example.com'],
  ['sip:ann@example.net;gr=desk7', 'ann@example.net/desk7'],
  ['sip:juliet@example.com;gr=yn0cl4bnw0yr3vym', 'juliet@example.com/yn0cl4bnw0yr3vym'],
  // XEP-0106 §5: every character, and what only looks escaped.
  ['sip:space%20cadet@example.com', 'space\\20cadet@example.com'],
  ['sip:call%20me%20%22ishmael%22@example.com', 'call\\20me\\20\\22ishmael\\22@example.com'],
  ['sip:at&t%20guy@example.com', 'at\\26t\\20guy@example.com'],
  ['sip:/.fanboy@example.com', '\\2f.fanboy@example.com'],
  ['sip:%3A%3Afoo%3A%3A@example.com', '\\3a\\3afoo\\3a\\3a@example.com'],
  ['sip:%3Cfoo%3E@example.com', '\\3cfoo\\3e@example.com'],
  ['sip:user%40host@example.com', 'user\\40host@example.com'],
  ['sip:c%3A%5Cnet@example.com', 'c\\3a\\net@example.com'],
  ['sip:c%3A%5C%5Cnet@example.com', 'c\\3a\\\\net@example.com'],
  ['sip:c%3A%5Ccool%20stuff@example.com', 'c\\3a\\cool\\20stuff@example.com'],
  ['sip:c%3A%5C5commas@example.com', 'c\\3a\\5c5commas@example.com'],
  ['sip:%5C2plus%5C2is%5C4@example.com', '\\2plus\\2is\\4@example.com'],
  ['sip:treat%5C27s@example.com', 'treat\\5c27s@example.com'],
  ['sip:%5C41@example.com', '\\41@example.com'],
  // Legal on one side only, or on both.
  ['sip:a%23b%25c%5Bd%5De%5Ef%60g%7Bh%7Ci%7D@example.com', 'a#b%c[d]e^f`g{h|i}@example.com'],
  ['sip:a!$(b)*+,-.;=?_~z@example.com', 'a!$(b)*+,-.;=?_~z@example.com'],
  // Instances: anything up to 1023 bytes.
  ['sip:kim@example.com;gr=a%20b%3Bc%40d%22%C3%A9', 'kim@example.com/a b;c@d"é'],
  [
    'sip:kim@example.com;gr=urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6',
    'kim@example.com/urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6',
  ],
  [`sip:kim@example.com;gr=${'x'.repeat(1023)}`, `kim@example.com/${'x'.repeat(1023)}`],
  // Domains.
  ['sip:a@xn--bcher-kva.example', 'a@bücher.example'],
  ['sip:a@192.0.2.1', 'a@192.0.2.1'],
  ['sip:a@[2001:db8::1]', 'a@[2001:db8::1]'],
  ['sip:example.com', 'example.com'],
  ['sip:example.com;gr=x', 'example.com/x'],
  // Numbers.
  ['sip:+4930123456@gw.example.net;user=phone', '+4930123456@gw.example.net'],
  [
    'sip:8631234;phone-context=example.com@gw.example.net;user=phone',
    '8631234;phone-context=example.com@gw.example.net',
  ],
  ['sip:8631234;phone-context=+1914555@gw.example.net;user=phone', '8631234;phone-context=+1914555@gw.example.net'],
  ['sip:1234@gw.example.net', '1234@gw.example.net'],
  ['sip:+4930123456@pbx.example', '+4930123456@pbx.example'],
];

describe('a SIP URI and a JID', () => {
  it.each(pairs)('%s is %s and back', (uri, jid) => {
    expect(jidOf(uri, { numbersAt })).toBe(jid);
    expect(uriOf(jid, { numbersAt })).toBe(uri);
    expect(parseAddress(jid)).toBeDefined();
  });
});

describe('the JID of a URI', () => {
  it.each([
    ['a sips URI', 'sips:romeo@example.net', 'romeo@example.net'],
    ['a scheme in capitals', 'SIP:romeo@example.net', 'romeo@example.net'],
    ['an im URI', 'im:romeo@example.net', 'romeo@example.net'],
    ['a pres URI', 'pres:romeo@example.net', 'romeo@example.net'],
    ['a password, dropped', 'sip:romeo:secret@example.net', 'romeo@example.net'],
    ['port and parameters, dropped', 'sip:romeo@Example.NET:5061;transport=tls;lr?Subject=x', 'romeo@example.net'],
    ['a port of an IPv6 address', 'sip:a@[2001:db8::1]:5061', 'a@[2001:db8::1]'],
    ['needless escapes', 'sip:%72omeo@example.net', 'romeo@example.net'],
    ['a temporary GRUU, which is no instance', 'sip:tgruu.7hs@example.com;gr', 'tgruu.7hs@example.com'],
    ['a look-alike of an escape in capitals', 'sip:a%5C5Cb@example.com', 'a\\5c5Cb@example.com'],
    ['a decomposed letter', 'sip:e%CC%81@example.com', '\u00e9@example.com'],
    ['a tel URI', 'tel:+49-30-123456', '+4930123456@gw.example.net'],
    [
      'a tel URI with all separators and parameters',
      'tel:+1(201)555-0.123;ext=5;npdi;rn=+12015550',
      '+12015550123@gw.example.net',
    ],
    ['a local tel URI', 'tel:863-1234;phone-context=+1-914-555', '8631234;phone-context=+1914555@gw.example.net'],
    [
      'a local tel URI of a domain',
      'tel:7042;phone-context=Example.COM',
      '7042;phone-context=example.com@gw.example.net',
    ],
    [
      'a number with parameters in the user',
      'sip:+1-555-0100;npdi;rn=+1555@pbx.example;user=phone',
      '+15550100@pbx.example',
    ],
    ['a number with parameters and no user=phone', 'sip:+15550100;ext=7@pbx.example', '+15550100@pbx.example'],
    ['a number of a plan', 'sip:*21%2317@pbx.example;user=phone', '*21#17@pbx.example'],
    ['a name that is called a phone', 'sip:alice;x=1@pbx.example;user=phone', 'alice@pbx.example'],
  ])('of %s', (_what, uri, jid) => {
    expect(jidOf(uri, { numbersAt })).toBe(jid);
  });

  it.each([
    ['nothing', ''],
    ['no scheme', 'romeo@example.net'],
    ['another scheme', 'mailto:romeo@example.net'],
    ['an empty user', 'sip:@example.net'],
    ['an empty host', 'sip:romeo@'],
    ['two at signs', 'sip:a@b@example.net'],
    ['a broken escape', 'sip:a%4@example.net'],
    ['an escape of no hexadecimal digits', 'sip:a%zz@example.net'],
    ['octets that are no UTF-8', 'sip:a%FF@example.net'],
    ['an overlong encoding', 'sip:a%C0%AF@example.net'],
    ['an encoded surrogate', 'sip:a%ED%A0%80@example.net'],
    ['a NUL', 'sip:a%00@example.net'],
    ['a line break', 'sip:a%0D%0Ab@example.net'],
    ['a delete', 'sip:a%7F@example.net'],
    ['a bare space', 'sip:a b@example.net'],
    ['a bare letter that is not ASCII', 'sip:jürgen@example.net'],
    ['a leading space', 'sip:%20a@example.net'],
    ['a trailing space', 'sip:a%20@example.net'],
    ['an invisible character', 'sip:al%E2%80%8Bice@example.net'],
    ['a character that servers would turn into a backslash', 'sip:a%EF%BC%BC20b@example.net'],
    ['a character that servers would turn into an at sign', 'sip:a%EF%BC%A0b@example.net'],
    ['a space that is none of ASCII', 'sip:a%C2%A0b@example.net'],
    ['a user that grows above 1023 bytes', `sip:${'&'.repeat(400)}@example.net`],
    ['a control in the instance', 'sip:a@example.net;gr=%07'],
    ['an instance above 1023 bytes', `sip:a@example.net;gr=${'x'.repeat(1024)}`],
    ['two instances', 'sip:a@example.net;gr=x;gr=y'],
    ['a broken port', 'sip:a@example.net:http'],
    ['a host with a slash', 'sip:a@example.net/x'],
    ['a local number without context', 'tel:1234'],
    ['a number that is none', 'tel:+12ab'],
    ['a number of too many digits', `tel:+${'1'.repeat(41)}`],
    ['a URI of absurd length', `sip:a@example.net;x=${'y'.repeat(20_000)}`],
  ])('with %s is none', (_what, uri) => {
    expect(jidOf(uri, { numbersAt })).toBeUndefined();
  });

  it('is none of a tel URI where numbers live nowhere', () => {
    expect(jidOf('tel:+4930123456')).toBeUndefined();
  });

  it('takes an instance that came as a header parameter, unless the URI has its own', () => {
    expect(jidOf('sip:a@example.net', { gr: 'desk7' })).toBe('a@example.net/desk7');
    expect(jidOf('sip:a@example.net;gr=own', { gr: 'desk7' })).toBe('a@example.net/own');
  });

  it('never throws, and gives nothing that is no address', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.webUrl()), (text) => {
        for (const uri of [
          text,
          `sip:${text}`,
          `tel:${text}`,
          `sip:${encodeURIComponent(text.toWellFormed())}@example.net`,
        ]) {
          const jid = jidOf(uri, { numbersAt });
          if (jid !== undefined) expect(parseAddress(jid)).toBeDefined();
        }
      }),
    );
  });
});

describe('the URI of a JID', () => {
  it.each([
    ['im', 'a.b(c)\\20d@example.com/desk', 'im:a%2Eb%28c%29%20d@example.com'],
    ['pres', 'romeo@example.net', 'pres:romeo@example.net'],
    ['sips', 'romeo@example.net/x', 'sips:romeo@example.net;gr=x'],
  ] as const)('in scheme %s', (scheme, jid, uri) => {
    expect(uriOf(jid, { scheme })).toBe(uri);
  });

  it.each([
    ['no address', 'a@b@c'],
    ['an escape of what need not be escaped', 'a\\5cb@example.com'],
    ['an escaped space in front', '\\20a@example.com'],
    ['an escaped space at the end', 'a\\20@example.com'],
    ['an invisible character', 'al\u200bice@example.com'],
    ['a compatibility character', 'a\uff3c20b@example.com'],
  ])('with %s is none', (_what, jid) => {
    expect(uriOf(jid)).toBeUndefined();
  });

  it('leaves the case of the localpart, and folds the domain', () => {
    expect(uriOf('Romeo@BÜCHER.example/Desk')).toBe('sip:Romeo@xn--bcher-kva.example;gr=Desk');
  });
});

const name = fc.string({
  unit: fc.oneof(
    fc.constantFrom(...'\\25c02673a 4eEfF&\'/:<>@"%;=é漢😀'),
    fc.string({ unit: 'grapheme', minLength: 1, maxLength: 1 }),
  ),
  minLength: 1,
  maxLength: 12,
});

describe('there and back', () => {
  it('any name in SIP that has a JID comes back as it was', () => {
    fc.assert(
      fc.property(name, fc.option(name), (user, instance) => {
        const gr = instance === null ? '' : `;gr=${encodeURIComponent(instance.toWellFormed())}`;
        const jid = jidOf(`sip:${encodeURIComponent(user.toWellFormed())}@example.net${gr}`);
        if (jid === undefined) return;
        const uri = uriOf(jid) ?? '';
        expect(jidOf(uri)).toBe(jid);
        expect(decodeURIComponent(uri.slice('sip:'.length, uri.indexOf('@')))).toBe(user.normalize('NFC'));
      }),
      { numRuns: 2000 },
    );
  });

  it('any JID that has a URI comes back as it was, so no two share one', () => {
    fc.assert(
      fc.property(name, fc.option(name), (local, resource) => {
        const jid = `${local}@example.net${resource === null ? '' : `/${resource}`}`;
        const uri = uriOf(jid);
        if (uri === undefined) return;
        const back = parseAddress(jidOf(uri) ?? '');
        expect(back).toEqual(parseAddress(jid));
      }),
      { numRuns: 2000 },
    );
  });
});

describe('a stray GRUU', () => {
  it.each([
    ['<sip:x@example.com>;gr=abc', 'abc'],
    ['<sip:x@example.com;gr=own>;tag=1;gr=abc', 'abc'],
    ['sip:x@example.com;gr=abc;tag=7', 'abc'],
    ['"> ;gr=no" <sip:x@example.com>;tag=1; gr=abc', 'abc'],
    ['"> ;gr=no" <sip:x@example.com>;tag=1', undefined],
    ['<sip:x@example.com;gr=own>;tag=1', undefined],
    ['', undefined],
  ])('of %s', (value, gr) => {
    expect(strayGruu(value)).toBe(gr);
  });
});

describe('the URI in a header', () => {
  it.each([
    ['sip:x@example.com', 'sip:x@example.com'],
    ['<sip:x@example.com;gr=1>;q=0.1', 'sip:x@example.com;gr=1'],
    ['"<sip:no@example.com>" <sip:x@example.com>', 'sip:x@example.com'],
    [' sip:x@example.com;expires=3', 'sip:x@example.com'],
  ])('%s', (value, uri) => {
    expect(uriInHeader(value)).toBe(uri);
  });
});

describe('an xmpp URI', () => {
  it.each([
    ['romeo@example.net', 'xmpp:romeo@example.net'],
    ['a\\20b#c@bücher.example', 'xmpp:a%5C20b%23c@b%C3%BCcher.example'],
  ])('of %s and back', (jid, uri) => {
    expect(xmppUriOf(jid)).toBe(uri);
    expect(jidOfXmppUri(uri)).toBe(jid);
  });

  it('is taken with a query or without its scheme, and refused where it holds no JID', () => {
    expect(jidOfXmppUri('xmpp:romeo@example.net?message')).toBe('romeo@example.net');
    expect(jidOfXmppUri('romeo@example.net')).toBe('romeo@example.net');
    expect(jidOfXmppUri('xmpp:a%FF@x')).toBeUndefined();
    expect(jidOfXmppUri('https://example.net/')).toBeUndefined();
  });
});
