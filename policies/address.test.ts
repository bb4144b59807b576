import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { endpointText, foldDomain, parseAddress } from './address.ts';

describe('an address', () => {
  it.each([
    ['Alice@Example.COM', 'alice@example.com'],
    ['ａｌｉｃｅ@example.com', 'alice@example.com'],
    ['al\u00adice@example.com', 'alice@example.com'],
    ['al\u034fi\ufe0fce\u200b@example.com', 'alice@example.com'],
    ['\ufb01@example.com', 'fi@example.com'],
    ['\u212aarl@example.com', 'karl@example.com'],
    ['STRASSE@example.com', 'strasse@example.com'],
    ['straße@example.com', 'strasse@example.com'],
    ['ΣΊΣΥΦΟΣ@example.com', 'σίσυφοσ@example.com'],
    ['σίσυφος@example.com', 'σίσυφοσ@example.com'],
    ['e\u0301@example.com', '\u00e9@example.com'],
    ['a@bücher.example', 'a@xn--bcher-kva.example'],
    ['a@BÜCHER.example', 'a@xn--bcher-kva.example'],
    ['a@xn--bcher-kva.example', 'a@xn--bcher-kva.example'],
    ['a@example.com.', 'a@example.com'],
    ['a@ｅｘａｍｐｌｅ。com', 'a@example.com'],
    ['a@exa\u00admple.com', 'a@example.com'],
    ['a@127.0.0.1', 'a@127.0.0.1'],
    ['a@[::1]', 'a@[::1]'],
    ['Example.COM', 'example.com'],
  ])('%s folds to %s', (text, bare) => {
    expect(parseAddress(text)?.bare).toBe(bare);
  });

  it.each([
    ['nothing', ''],
    ['an empty localpart', '@example.com'],
    ['a localpart of invisible characters', '\u00ad\u200b@example.com'],
    ['an empty domain', 'a@'],
    ['two at signs', 'a@b@example.com'],
    ['an empty resource', 'a@example.com/'],
    ['a space', 'a b@example.com'],
    ['a quote', 'a"b@example.com'],
    ['a control character', 'a\u0000@example.com'],
    ['a control character in the resource', 'a@example.com/\u0007'],
    ['a localpart above 1023 bytes', `${'a'.repeat(1024)}@example.com`],
    ['a resource above 1023 bytes', `a@example.com/${'é'.repeat(512)}`],
    ['an empty label', 'a@example..com'],
    ['a label above 63 characters', `a@${'x'.repeat(64)}.example`],
    ['a hyphen alone', 'a@-'],
    ['a space in the domain', 'a@ex ample.com'],
  ])('with %s is none', (_what, text) => {
    expect(parseAddress(text)).toBeUndefined();
  });

  it('keeps the resource as written, slashes and at signs too', () => {
    expect(parseAddress('A@B.example/Tel/é@x')).toEqual({
      local: 'a',
      domain: 'b.example',
      resource: 'Tel/é@x',
      bare: 'a@b.example',
    });
  });

  it('folds to something that folds to itself', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.domain(), (local, domain) => {
        const bare = parseAddress(`${local}@${domain}`)?.bare;
        if (bare !== undefined) expect(parseAddress(bare)?.bare).toBe(bare);
      }),
    );
  });

  it('never throws', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(() => parseAddress(text)).not.toThrow();
      }),
    );
  });
});

describe('a domain', () => {
  it.each(['0x7f.1', '127.1', '2130706433'])('%s does not turn into an IPv4 address', (text) => {
    expect([undefined, text]).toContain(foldDomain(text));
  });

  it.each([
    '١٢٧.0.0.1',
    'xn--',
    'a b',
    'a/b',
    'a.example/b',
    'a.example／b',
    'a.example?b',
    'a.example#b',
    'a.example\\b',
    'a.ex\nample',
    'a.ex%61mple',
    'a.ex％61mple',
    'u:p@a.example',
    'a:80',
    '*.example',
    '',
  ])('%j is none', (text) => {
    expect(foldDomain(text)).toBeUndefined();
  });
});

it.each([
  ['192.0.2.1', '192.0.2.1:5269'],
  ['::1', '[::1]:5269'],
  ['localhost', 'localhost:5269'],
])('the endpoint of %s is written %s', (host, text) => {
  expect(endpointText({ host, port: 5269 })).toBe(text);
});
