import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Scanner } from '../../xmpp/scanner.ts';
import type { ScannedElement } from '../../xmpp/start-tag.ts';
import { readdress, readdressBytes } from './readdress.ts';

/** Reads one portable stanza as a stream of clients does. */
function scan(bytes: Buffer): ScannedElement {
  const elements: ScannedElement[] = [];
  const events = { header: () => {}, footer: () => {}, element: (element: ScannedElement) => elements.push(element) };
  const scanner = new Scanner(events, { elementBytes: 1_000_000, depth: 32, attributes: 64 }, 'jabber:client');
  scanner.push(Buffer.from("<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"));
  scanner.push(bytes);
  const [element] = elements;
  if (element === undefined || elements.length > 1) throw new Error(`${elements.length} elements in ${bytes}`);
  return element;
}

describe('a start tag', () => {
  it.each([
    ['<message/>', "<message from='a@b/c'/>"],
    ['<message />', "<message from='a@b/c' />"],
    ['<message></message>', "<message from='a@b/c'></message>"],
    ["<message from='x'/>", "<message from='a@b/c'/>"],
    ['<message\n\tfrom = "x"\n to=\'y\'>t</message>', "<message from='a@b/c'\n to='y'>t</message>"],
    ["<message to='>' from='/>' id='1'/>", "<message from='a@b/c' to='>' id='1'/>"],
    ["<iq xfrom='1' from='2' fromx='3'/>", "<iq from='a@b/c' xfrom='1' fromx='3'/>"],
    ["<message x:from='1' xmlns:x='u'/>", "<message from='a@b/c' x:from='1' xmlns:x='u'/>"],
    ['<message id=" from=\'x\' "/>', "<message from='a@b/c' id=\" from='x' \"/>"],
    ["<message><body from='x'/></message>", "<message from='a@b/c'><body from='x'/></message>"],
  ])('%s becomes %s', (before, after) => {
    expect(readdressBytes(Buffer.from(before), { from: 'a@b/c' }).toString()).toBe(after);
  });

  it('loses an address that is to be absent, and keeps one of which nothing is said', () => {
    const before = Buffer.from("<presence to='x' from='y' id='1'/>");
    expect(readdressBytes(before, { to: '' }).toString()).toBe("<presence from='y' id='1'/>");
    expect(readdressBytes(before, {}).toString()).toBe(before.toString());
  });
});

const address = fc.oneof(fc.constant(''), fc.string({ unit: 'grapheme', maxLength: 20 }).map(printable));
const space = fc.constantFrom(' ', '\n', '\t ', '  ');
const quoted = fc
  .tuple(fc.string({ unit: 'grapheme', maxLength: 12 }).map(printable), fc.constantFrom("'", '"'))
  .map(
    ([value, quote]) =>
      `${quote}${value.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll(quote, '&#39;')}${quote}`,
  );
const attribute = (name: string): fc.Arbitrary<string> =>
  fc
    .tuple(space, fc.constantFrom('', ' '), quoted)
    .map(([before, gap, value]) => `${before}${name}${gap}=${gap}${value}`);
const tag = fc
  .tuple(
    fc.constantFrom('message', 'presence', 'iq'),
    fc.shuffledSubarray(['from', 'to', 'id', 'type', 'xml:lang', 'fro', 'too', 'p:from', 'p:to']),
    fc.constantFrom('/>', ' />', '>', ' >'),
  )
  .chain(([name, names, end]) =>
    fc.tuple(...names.map(attribute)).map((attributes) => {
      const rest = end.includes('/') ? '' : `<body from='inner' to="inner">text</body></${name}>`;
      return `<${name} xmlns:p='urn:p'${(attributes as string[]).join('')}${end}${rest}`;
    }),
  );

/** Without what XML forbids. */
function printable(text: string): string {
  return text.replace(/[^\x20-\ud7ff\ue000-\ufffd]/g, '');
}

describe('for any start tag', () => {
  it('the addresses are those given, and all else is as it was', () => {
    fc.assert(
      fc.property(
        tag,
        fc.option(address, { nil: undefined }),
        fc.option(address, { nil: undefined }),
        (xml, from, to) => {
          const before = { ...scan(Buffer.from(xml)), name: 'message' as const };
          const wanted = { ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) };
          const after = readdress(before, wanted);
          const read = scan(after.bytes);
          expect(read.from).toBe(from ?? before.from);
          expect(read.to).toBe(to ?? before.to);
          expect([after.from, after.to]).toEqual([read.from, read.to]);
          const { bytes: _after, from: _from, to: _to, name: _name, ...rest } = read;
          expect(before).toMatchObject(rest);
          // To take them out of both leaves the same bytes.
          const bare = (bytes: Buffer): string => readdressBytes(bytes, { from: '', to: '' }).toString();
          expect(bare(read.bytes)).toBe(bare(before.bytes));
        },
      ),
    );
  });

  it('to do it twice is to do it once', () => {
    fc.assert(
      fc.property(tag, address, address, (xml, from, to) => {
        const once = readdressBytes(scan(Buffer.from(xml)).bytes, { from, to });
        expect(readdressBytes(once, { from, to }).toString()).toBe(once.toString());
      }),
    );
  });
});
