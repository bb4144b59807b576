import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { ns } from './namespaces.ts';
import { CLOSING, LIMITS, OPENING, scan, scanElements, split } from './scanner.fixture.ts';
import { Scanner } from './scanner.ts';
import type { StreamCondition, StreamFault } from './stream-error.ts';
import { generatedStream, plainStanza } from './xml.arbitrary.ts';

const HEADER = OPENING.replace(/^<\?.*?\?>/, '');

/** The condition a stream ends with, or what it yields where it does not end. */
function outcome(input: string | Buffer, options: Parameters<typeof scan>[1] = {}): StreamCondition | string {
  const bytes = Buffer.from(input);
  const whole = scan([bytes], options);
  const bytewise = scan(split(bytes, [...bytes.keys()]), options);
  expect(bytewise.fault?.condition).toBe(whole.fault?.condition);
  return whole.fault?.condition ?? `${whole.headers.length} header, ${whole.elements.length} elements`;
}

describe('framing', () => {
  test('hands out the header, each element as its bytes, and the footer', () => {
    const stanza = '<message to="a"><body>x</body></message>';
    const { headers, elements, footers, fault } = scan([`${OPENING} ${stanza}\n<presence/>${CLOSING}`]);
    expect(fault).toBeUndefined();
    expect(headers).toMatchObject([
      { to: 'capulet.example', from: 'montague.example', version: '1.0', dialback: true },
    ]);
    expect(elements.map(({ bytes }) => bytes.toString())).toEqual([stanza, '<presence/>']);
    expect(footers).toBe(1);
  });

  test('an element comes as soon as its last byte does', () => {
    const stanza = '<message><body>a &gt; b</body></message>';
    const bytes = Buffer.from(stanza);
    const seen: number[] = [];
    const scanner = new Scanner({ header() {}, element: () => seen.push(1), footer() {} }, LIMITS, ns.server);
    scanner.push(Buffer.from(OPENING));
    for (const byte of bytes.subarray(0, -1)) scanner.push(Buffer.from([byte]));
    expect(seen).toEqual([]);
    scanner.push(bytes.subarray(-1));
    expect(seen).toEqual([1]);
  });

  test('any split of any stream gives the same', () => {
    fc.assert(
      fc.property(generatedStream, fc.array(fc.nat(), { maxLength: 12 }), ({ opening, items, closing }, places) => {
        const bytes = Buffer.from(opening + items.join('') + closing);
        const whole = scan([bytes]);
        expect(whole.fault).toBeUndefined();
        expect(whole.headers).toHaveLength(1);
        expect(whole.elements).toHaveLength(items.filter((item) => item.trim() !== '').length);
        expect(whole.footers).toBe(1);
        expect(scan(split(bytes, places))).toEqual(whole);
        expect(scan(split(bytes, [...bytes.keys()]))).toEqual(whole);
      }),
      { numRuns: 300 },
    );
  });

  test('what needs no rewriting passes byte by byte', () => {
    fc.assert(
      fc.property(fc.array(plainStanza, { maxLength: 4 }), fc.array(fc.nat(), { maxLength: 6 }), (stanzas, places) => {
        const { elements, fault } = scan(split(Buffer.from(OPENING + stanzas.join(' ')), places));
        expect(fault).toBeUndefined();
        expect(elements.map(({ bytes }) => bytes.toString())).toEqual(stanzas);
      }),
      { numRuns: 300 },
    );
  });

  test('bytes handed out stay as they are while more arrive', () => {
    const stanzas = Array.from(
      { length: 40 },
      (_, n) => `<message id="${n}"><body>${'x'.repeat(n * 13)}</body></message>`,
    );
    const kept: Buffer[] = [];
    const copies: string[] = [];
    const keep = (bytes: Buffer): void => {
      kept.push(bytes);
      copies.push(bytes.toString());
    };
    const scanner = new Scanner({ header() {}, element: ({ bytes }) => keep(bytes), footer() {} }, LIMITS, ns.server);
    const stream = Buffer.from(OPENING + stanzas.join(''));
    for (let at = 0; at < stream.length; at += 97) scanner.push(Buffer.from(stream.subarray(at, at + 97)));
    expect(copies).toEqual(stanzas);
    expect(kept.map(String)).toEqual(stanzas);
  });
});

describe('accepts', () => {
  test.each([
    ['no XML declaration', HEADER],
    ['an encoding in other letters', `<?xml version="1.0" encoding='utf-8'?>${HEADER}`],
    ['white space around the header', `<?xml version='1.0'?>\r\n${HEADER} \n`],
    ['white space before a header without a declaration', `\n ${HEADER}`],
    ['white space within the header', HEADER.replaceAll(' ', '\r\n\t').replace('>', '\n>')],
  ])('%s', (_, opening) => expect(outcome(opening)).toBe('1 header, 0 elements'));

  test.each([
    ['`>` in an attribute value', '<message id="a>b"/>'],
    ['the other quote in an attribute value', `<message id="it's" to='"'/>`],
    ['`]]>` in an attribute value', '<message id="]]>"/>'],
    ['`>` and `]]` in text', '<message>]] > ]]</message>'],
    ['markup in CDATA', '<message><![CDATA[</message><!-- & ]] ]> ]]]]></message>'],
    ['an empty CDATA section', '<message><![CDATA[]]></message>'],
    ['a CDATA section right behind brackets', '<message>]]<![CDATA[>]]></message>'],
    [
      'the five entities and character references',
      '<message id="&quot;&#9;">&lt;&gt;&amp;&apos;&#x1F600;&#65;</message>',
    ],
    ['leading zeros of a reference', '<message>&#0000000065;</message>'],
    ['U+FEFF inside text', '<message>\ufeff</message>'],
    ['U+FFFD and noncharacters that XML allows', '<message>\ufffd\u{1ffff}\ufdd0</message>'],
    ['DEL and C1 controls', '<message>\x7f\u0085</message>'],
    [
      'the prefix xml',
      '<message xml:space="preserve"><xml:a xmlns:xml="http://www.w3.org/XML/1998/namespace"/></message>',
    ],
    ['names that Object.prototype has', '<constructor toString="a"><__proto__/></constructor>'],
  ])('%s', (_, element) => expect(outcome(OPENING + element)).toBe('1 header, 1 elements'));
});

describe('refuses at the opening', () => {
  const stream = HEADER.slice('<stream:stream'.length);
  test.each<[string, StreamCondition, string | Buffer]>([
    ['a byte order mark', 'unsupported-encoding', `\ufeff${OPENING}`],
    ['UTF-16 with a byte order mark', 'unsupported-encoding', Buffer.from(`\ufeff${OPENING}`, 'utf16le')],
    ['UTF-16LE', 'unsupported-encoding', Buffer.from(OPENING, 'utf16le')],
    ['UTF-16BE', 'unsupported-encoding', Buffer.from(OPENING, 'utf16le').swap16()],
    ['another declared encoding', 'unsupported-encoding', `<?xml version='1.0' encoding='ISO-8859-1'?>`],
    ['XML 2.0', 'not-well-formed', `<?xml version='2.0'?>`],
    ['a declaration without version', 'not-well-formed', `<?xml encoding='UTF-8'?>`],
    ['a second XML declaration', 'restricted-xml', `<?xml version='1.0'?>${OPENING}`],
    ['a declaration behind white space', 'restricted-xml', ` ${OPENING}`],
    ['a processing instruction', 'restricted-xml', '<?php echo 1 ?>'],
    ['a processing instruction without end', 'restricted-xml', `<?xml ${'x'.repeat(200)}`],
    ['a document type', 'restricted-xml', '<!DOCTYPE stream>'],
    ['a comment', 'restricted-xml', '<!-- hello -->'],
    ['another protocol', 'bad-format', 'GET / HTTP/1.1\r\n'],
    ['an end tag', 'not-well-formed', CLOSING],
    ['a self-closed header', 'bad-format', HEADER.replace('>', '/>')],
    ['another content namespace', 'invalid-namespace', HEADER.replace(ns.server, 'jabber:client')],
    ['no content namespace', 'invalid-namespace', HEADER.replace(`xmlns='${ns.server}'`, '')],
    ['another stream namespace', 'invalid-namespace', HEADER.replace(ns.streams, 'urn:other')],
    ['the stream namespace as default', 'invalid-namespace', `<stream xmlns='${ns.streams}'>`],
    ['another root', 'bad-format', `<stream:flow${stream}`],
    ['an unbound prefix of the header', 'not-well-formed', `<s:stream${stream}`],
    ['a stanza without a header', 'invalid-namespace', `<message xmlns='${ns.server}'>`],
    ['an attribute twice on the header', 'not-well-formed', HEADER.replace('>', " to='b'>")],
  ])('%s', (_, condition, input) => expect(outcome(input)).toBe(condition));
});

describe('refuses inside the stream', () => {
  test.each<[string, StreamCondition, string | Buffer]>([
    ['a comment', 'restricted-xml', '<message><!-- x --></message>'],
    ['a comment between stanzas', 'restricted-xml', '<!-- x -->'],
    ['a processing instruction', 'restricted-xml', '<message><?x y?></message>'],
    ['a processing instruction between stanzas', 'restricted-xml', "<?xml version='1.0'?>"],
    ['a document type', 'restricted-xml', '<!DOCTYPE lolz [<!ENTITY lol "lol">]>'],
    ['a declaration in a stanza', 'restricted-xml', '<message><!ENTITY lol "lol"></message>'],
    ['a conditional section', 'restricted-xml', '<message><![INCLUDE[ ]]></message>'],
    ['CDATA between stanzas', 'restricted-xml', '<![CDATA[ ]]>'],
    ['an undefined entity', 'restricted-xml', '<message>&nbsp;</message>'],
    ['an undefined entity in a value', 'restricted-xml', '<message id="&lol9;"/>'],
    ['an entity named like a property of objects', 'restricted-xml', '<message>&valueOf;&constructor;</message>'],
    ['a long entity name', 'restricted-xml', '<message>&CounterClockwiseContourIntegral;</message>'],
    ['a bare ampersand', 'not-well-formed', '<message>AT & T</message>'],
    ['an ampersand before markup', 'not-well-formed', '<message>&<a/></message>'],
    ['an empty reference', 'not-well-formed', '<message>&;</message>'],
    ['a reference to NUL', 'not-well-formed', '<message>&#0;</message>'],
    ['a reference to a control character', 'not-well-formed', '<message>&#x1b;</message>'],
    ['a reference to a surrogate', 'not-well-formed', '<message>&#xD800;</message>'],
    ['a reference to U+FFFE', 'not-well-formed', '<message id="&#xfffe;"/>'],
    ['a reference beyond Unicode', 'not-well-formed', '<message>&#x110000;</message>'],
    ['a reference without digits', 'not-well-formed', '<message>&#x;</message>'],
    ['a reference with a capital X', 'not-well-formed', '<message>&#X41;</message>'],
    ['an endless reference', 'not-well-formed', `<message>&#${'0'.repeat(40)}65;</message>`],
    ['`]]>` in text', 'not-well-formed', '<message>]]></message>'],
    ['`]]]>` in text', 'not-well-formed', '<message>]]]></message>'],
    ['`]]>` behind CDATA', 'not-well-formed', '<message><![CDATA[]]>]]></message>'],
    ['`<` in a value', 'not-well-formed', '<message id="<"/>'],
    ['a value without quotes', 'not-well-formed', '<message id=a/>'],
    ['an attribute without value', 'not-well-formed', '<message id/>'],
    ['attributes without white space between', 'not-well-formed', '<message id="a"to="b"/>'],
    ['`/` apart from `>`', 'not-well-formed', '<message / >'],
    ['an attribute twice', 'not-well-formed', '<message id="a" b="" id="b"/>'],
    ['another attribute twice', 'not-well-formed', '<message b="" id="" b=""/>'],
    ['xml:lang twice', 'not-well-formed', '<message xml:lang="a" xml:lang="a"/>'],
    [
      'an attribute twice by its expanded name',
      'not-well-formed',
      '<message xmlns:a="urn:x" xmlns:b="urn:x" a:c="" b:c=""/>',
    ],
    [
      'such a pair, one prefix from the header',
      'not-well-formed',
      `<message xmlns:a="${ns.dialback}"><x a:c="" db:c=""/></message>`,
    ],
    ['an unbound prefix of a stanza', 'not-well-formed', '<a:message/>'],
    ['an unbound prefix of a child', 'not-well-formed', '<message><a:b/></message>'],
    ['an unbound prefix of a later child', 'not-well-formed', '<message><c/><a:b/></message>'],
    ['an unbound prefix deep inside', 'not-well-formed', '<message><c><d><a:b/></d></c></message>'],
    ['an unbound prefix of an attribute', 'not-well-formed', '<message a:b=""/>'],
    ['a prefix out of scope', 'not-well-formed', '<message><c xmlns:a="urn:a"/><a:b/></message>'],
    ['a prefix out of scope in the next stanza', 'not-well-formed', '<message xmlns:a="urn:a"/><a:b/>'],
    ['an undeclared prefix', 'not-well-formed', '<message xmlns:a=""/>'],
    ['the prefix xml bound elsewhere', 'not-well-formed', '<message xmlns:xml="urn:a"/>'],
    ['another prefix bound to xml', 'not-well-formed', `<message xmlns:a="${ns.xml}"/>`],
    ['xml as default namespace', 'not-well-formed', `<message><a xmlns="${ns.xml}"/></message>`],
    ['the prefix xmlns declared', 'not-well-formed', `<message xmlns:xmlns="${ns.xmlns}"/>`],
    ['a prefix bound to xmlns', 'not-well-formed', `<message xmlns:a="${ns.xmlns}"/>`],
    ['xmlns as default namespace', 'not-well-formed', `<message xmlns="${ns.xmlns}"/>`],
    ['the prefix xmlns on an element', 'not-well-formed', '<message><xmlns:a/></message>'],
    ['a line feed in a namespace (expat cannot take it)', 'not-well-formed', '<message><a xmlns="a&#10;b"/></message>'],
    ['a control character in a bound namespace', 'not-well-formed', '<message xmlns:a="&#9;"/>'],
    ['two colons in a name', 'not-well-formed', '<message><db:a:b/></message>'],
    ['a colon at the end of a name', 'not-well-formed', '<message><db:/></message>'],
    ['a colon at the end of an attribute name', 'not-well-formed', '<message xml:=""/>'],
    ['a colon at the start of a name', 'not-well-formed', '<:message/>'],
    ['a digit behind the prefix', 'not-well-formed', '<message><db:1/></message>'],
    ['a name that starts with a digit', 'not-well-formed', '<1/>'],
    ['a name beyond ASCII', 'not-well-formed', '<mässage/>'],
    ['white space before a name', 'not-well-formed', '< message/>'],
    ['a stanza with a prefix of the content namespace', 'bad-namespace-prefix', `<a:message xmlns:a="${ns.server}"/>`],
    ['such a child', 'bad-namespace-prefix', `<message><b/><a:body xmlns:a="${ns.server}"/></message>`],
    ['another end tag', 'not-well-formed', '<message></massage>'],
    ['an end tag that is shorter', 'not-well-formed', '<message></messag>'],
    ['an end tag that is longer', 'not-well-formed', '<message></messages>'],
    [
      'an end tag with another prefix of the same namespace',
      'not-well-formed',
      '<message xmlns:a="urn:a" xmlns:b="urn:a"><a:x></b:x></message>',
    ],
    ['an end tag of the parent', 'not-well-formed', '<message><body></message></body>'],
    ['an end tag with an attribute', 'not-well-formed', '<message></message id="">'],
    ['an empty end tag', 'not-well-formed', '<message></>'],
    ['another end tag of the stream', 'not-well-formed', '</stream>'],
    ['text between stanzas', 'bad-format', 'hello'],
    ['a reference between stanzas', 'bad-format', '&#32;'],
    ['a byte order mark between stanzas', 'bad-format', '\ufeff<message/>'],
    ['NUL', 'not-well-formed', '<message>\0</message>'],
    ['a control character in text', 'not-well-formed', '<message>\x1b</message>'],
    ['a control character in a value', 'not-well-formed', '<message id="\x01"/>'],
    ['a control character in CDATA', 'not-well-formed', '<message><![CDATA[\f]]></message>'],
    ['a control character in a tag', 'not-well-formed', '<message\v/>'],
    ['U+FFFE', 'not-well-formed', '<message>\ufffe</message>'],
    ['U+FFFF in a value', 'not-well-formed', '<message id="\uffff"/>'],
    ['U+FFFF in CDATA', 'not-well-formed', '<message><![CDATA[\uffff]]></message>'],
    ['a lone continuation byte', 'unsupported-encoding', bytes('<message>', [0x80], '</message>')],
    ['a character broken off', 'unsupported-encoding', bytes('<message>', [0xe4, 0xb8], '</message>')],
    ['an overlong form', 'unsupported-encoding', bytes('<message id="', [0xc0, 0xaf], '"/>')],
    ['an overlong NUL', 'unsupported-encoding', bytes('<message>', [0xc0, 0x80], '</message>')],
    ['an encoded surrogate', 'unsupported-encoding', bytes('<message><![CDATA[', [0xed, 0xa0, 0x80], ']]></message>')],
    ['a byte beyond UTF-8', 'unsupported-encoding', bytes('<message>', [0xf5, 0x80, 0x80, 0x80], '</message>')],
    ['Latin-1', 'unsupported-encoding', Buffer.from('<message>für</message>', 'latin1')],
  ])('%s', (_, condition, input) =>
    expect(outcome(Buffer.concat([Buffer.from(OPENING), Buffer.from(input)]))).toBe(condition),
  );

  function bytes(...parts: (string | number[])[]): Buffer {
    return Buffer.concat(parts.map((part) => Buffer.from(part as string)));
  }

  test('and is stopped then', () => {
    const seen: string[] = [];
    const scanner = new Scanner(
      { header() {}, element: ({ name }) => seen.push(name), footer() {} },
      LIMITS,
      ns.server,
    );
    expect(() => scanner.push(Buffer.from(`${OPENING}<iq/><!`))).toThrow();
    scanner.push(Buffer.from('<presence/>'));
    expect(seen).toEqual(['iq']);
  });
});

describe('limits', () => {
  const nested = (depth: number): string => '<a>'.repeat(depth) + '</a>'.repeat(depth);
  const attributed = (count: number): string => `<a ${Array.from({ length: count }, (_, n) => `b${n}=''`).join(' ')}/>`;
  const sized = (bytes: number): string => `<a>${'x'.repeat(bytes - '<a></a>'.length)}</a>`;

  test.each<[string, string, string, object]>([
    ['depth', nested(5), nested(6), { depth: 5 }],
    ['depth, the last element empty', '<a><b/></a>', '<a><b><c/></b></a>', { depth: 2 }],
    ['attributes', attributed(8), attributed(9), { attributes: 8 }],
    ['attributes of a child', `<z>${attributed(8)}</z>`, `<z>${attributed(9)}</z>`, { attributes: 8 }],
    ['bytes', sized(500), sized(501), { elementBytes: 500 }],
  ])('%s: up to the limit and no further', (_, good, bad, limits) => {
    expect(outcome(OPENING + good, { limits })).toBe('1 header, 1 elements');
    expect(outcome(OPENING + bad, { limits })).toBe('policy-violation');
  });

  test('the header counts as well', () => {
    expect(outcome(HEADER, { limits: { elementBytes: HEADER.length } })).toBe('1 header, 0 elements');
    expect(outcome(HEADER, { limits: { elementBytes: HEADER.length - 1 } })).toBe('policy-violation');
    expect(outcome(HEADER, { limits: { attributes: 6 } })).toBe('policy-violation');
  });

  test('the header is small, whatever else may be large: each element may borrow from it anew', () => {
    const long = (bytes: number): string => HEADER.replace('>', ` xmlns:long='${'x'.repeat(bytes)}'>`);
    const limits = { elementBytes: 100_000 };
    expect(outcome(long(3_000), { limits })).toBe('1 header, 0 elements');
    expect(outcome(long(5_000), { limits })).toBe('policy-violation');
  });

  test('what an element borrows from the header counts as well', () => {
    const borrowing = sized(500).replace('<a>xxxxxxxx', '<a db:b="">');
    expect(borrowing).toHaveLength(500);
    expect(outcome(OPENING + borrowing, { limits: { elementBytes: 500 } })).toBe('policy-violation');
    expect(outcome(OPENING + borrowing, { limits: { elementBytes: 600 } })).toBe('1 header, 1 elements');
  });

  test('white space between elements does not', () => {
    const { elements, fault } = scan([OPENING, ...Array(100).fill(' '.repeat(99)), '<iq/>'], {
      limits: { elementBytes: 500 },
    });
    expect(fault).toBeUndefined();
    expect(elements).toHaveLength(1);
  });

  test('too big is said in the words of RFC 6120 §13.12', () => {
    const { fault } = scan([OPENING, sized(501)], { limits: { elementBytes: 500 } });
    expect(fault).toMatchObject({ code: 'stanza-too-big', extra: "<stanza-too-big xmlns='urn:xmpp:errors'/>" });
  });

  test('elementBytes may change while an element is under way', () => {
    const scanner = new Scanner(
      { header() {}, element() {}, footer() {} },
      { ...LIMITS, elementBytes: 500 },
      ns.server,
    );
    scanner.push(Buffer.from(`${OPENING}<a>`));
    scanner.elementBytes = 2000;
    scanner.push(Buffer.alloc(1500, 'x'));
    scanner.elementBytes = 1000;
    expect(() => scanner.push(Buffer.from('x'))).toThrow(expect.objectContaining({ code: 'stanza-too-big' }));
  });

  test.each([1, 7, 1000, 70_000])(
    'an endless element in chunks of %i bytes holds no more than twice the limit and a chunk',
    (size) => {
      const limit = 20_000;
      const allocate = vi.spyOn(Buffer, 'allocUnsafeSlow');
      const scanner = new Scanner(
        { header() {}, element() {}, footer() {} },
        { ...LIMITS, elementBytes: limit },
        ns.server,
      );
      scanner.push(Buffer.from(`${OPENING}<message id="`));
      let pushed = 0;
      let fault: StreamFault | undefined;
      while (fault === undefined && pushed < limit * 10) {
        try {
          scanner.push(Buffer.alloc(size, 'x'));
          pushed += size;
        } catch (error) {
          fault = error as StreamFault;
        }
      }
      const sizes = allocate.mock.calls.map(([bytes]) => bytes);
      allocate.mockRestore();
      expect(fault?.code).toBe('stanza-too-big');
      expect(pushed).toBeLessThanOrEqual(limit);
      // At most two buffers live at once: the one that is full and the one it moves to.
      const held = sizes.map((bytes, n) => bytes + (sizes[n - 1] ?? 0));
      expect(Math.max(0, ...held)).toBeLessThanOrEqual(limit * 2 + size);
    },
  );

  test('bytes are copied a bounded number of times, however they arrive', () => {
    const copied = (size: number): number => {
      const copy = vi.spyOn(Buffer.prototype, 'copy');
      const stanza = Buffer.from(`<message><body a="${'y'.repeat(size / 2)}">${'x'.repeat(size / 2)}</body></message>`);
      const { elements } = scan([OPENING, ...split(stanza, [...stanza.keys()])], {
        limits: { elementBytes: size * 2 },
      });
      const total = copy.mock.results.reduce((sum, { value }) => sum + Number(value), 0);
      copy.mockRestore();
      expect(elements[0]?.bytes.equals(stanza)).toBe(true);
      return total / stanza.length;
    };
    expect(copied(20_000)).toBeLessThan(4);
    expect(copied(200_000)).toBeLessThan(4);
  });
});

describe('restart, stop and what is left', () => {
  interface Steps {
    readonly scanner: Scanner;
    readonly seen: string[];
  }

  /** Records what happens and lets a step act from within the event of an element. */
  function recording(onElement: (name: string, scanner: Scanner) => void = () => {}): Steps {
    const seen: string[] = [];
    const scanner: Scanner = new Scanner(
      {
        header: ({ from }) => seen.push(`header ${from}`),
        element: ({ name }) => {
          seen.push(name);
          onElement(name, scanner);
        },
        footer: () => seen.push('footer'),
      },
      LIMITS,
      ns.server,
    );
    return { scanner, seen };
  }
  const restartBehind = (name: string) =>
    recording((seen, scanner) => {
      if (seen === name) scanner.restart();
    });
  const stopBehind = (name: string) =>
    recording((seen, scanner) => {
      if (seen === name) scanner.stop();
    });
  const second = OPENING.replace('montague.example', 'second.example');

  test('a restart within an event expects a header in the same chunk', () => {
    const { scanner, seen } = restartBehind('success');
    scanner.push(Buffer.from(`${OPENING}<success xmlns='${ns.sasl}'/>${second}<iq/>`));
    expect(seen).toEqual(['header montague.example', 'success', 'header second.example', 'iq']);
  });

  test('the same byte by byte', () => {
    const { scanner, seen } = restartBehind('success');
    for (const byte of Buffer.from(`${OPENING}<success xmlns='${ns.sasl}'/>${second}<iq/>`))
      scanner.push(Buffer.from([byte]));
    expect(seen).toEqual(['header montague.example', 'success', 'header second.example', 'iq']);
  });

  test('a restart between chunks takes nothing along', () => {
    const { scanner, seen } = recording();
    scanner.push(Buffer.from(`${OPENING}<iq/><message><bo`));
    expect(scanner.unconsumed).toBe('<message><bo'.length);
    scanner.restart();
    expect(scanner.unconsumed).toBe(0);
    scanner.push(Buffer.from(`${second}<presence/>`));
    expect(seen).toEqual(['header montague.example', 'iq', 'header second.example', 'presence']);
  });

  test('prefixes and language of the stream before do not outlive a restart', () => {
    const { scanner } = recording();
    scanner.push(Buffer.from(OPENING));
    scanner.restart();
    scanner.push(Buffer.from(OPENING.replace(/xmlns:db='[^']*'/, '')));
    expect(() => scanner.push(Buffer.from('<message db:a=""/>'))).toThrow(
      expect.objectContaining({ condition: 'not-well-formed' }),
    );
  });

  test('behind a restart a stanza needs a header first', () => {
    const { scanner } = restartBehind('success');
    expect(() =>
      scanner.push(Buffer.from(`${OPENING}<success xmlns='${ns.sasl}'/><message xmlns='${ns.server}'>`)),
    ).toThrow(expect.objectContaining({ condition: 'invalid-namespace' }));
  });

  test.each(['whole', 'byte by byte'])('what comes behind a stop is counted and not read (%s)', (how) => {
    const { scanner, seen } = stopBehind('starttls');
    const injected = '<message/> <?xml';
    const stream = Buffer.from(`${OPENING}<starttls xmlns='${ns.tls}'/>${injected}`);
    for (const chunk of how === 'whole' ? [stream] : split(stream, [...stream.keys()])) scanner.push(chunk);
    expect(seen).toEqual(['header montague.example', 'starttls']);
    expect(scanner.unconsumed).toBe(injected.length);
    scanner.push(Buffer.from('more'));
    expect(scanner.unconsumed).toBe(injected.length + 'more'.length);
  });

  test.each([
    ['nothing', '', false],
    ['white space', ' \r\n\t', false],
    ['more than that', '\n<', true],
  ])('%s behind a stop is told from an injection', (_what, behind, injected) => {
    for (const chunks of [[`<starttls xmlns='${ns.tls}'/>${behind}`], [`<starttls xmlns='${ns.tls}'/>`, behind]]) {
      const { scanner } = stopBehind('starttls');
      scanner.push(Buffer.from(OPENING));
      for (const chunk of chunks) scanner.push(Buffer.from(chunk));
      expect(scanner.injected).toBe(injected);
    }
  });

  test('nothing is left behind an element that ends its chunk', () => {
    const { scanner } = stopBehind('starttls');
    scanner.push(Buffer.from(`${OPENING}<iq/><star`));
    scanner.push(Buffer.from(`ttls xmlns='${ns.tls}'/>`));
    expect(scanner.unconsumed).toBe(0);
  });

  test('what is left can be asked within the event', () => {
    const left: number[] = [];
    const { scanner } = recording((_, scanner) => left.push(scanner.unconsumed));
    scanner.push(Buffer.from(`${OPENING}<a`));
    scanner.push(Buffer.from('/><b/>'));
    expect(left).toEqual(['<b/>'.length, 0]);
  });

  test('what was left behind a stop is not read behind a restart', () => {
    const { scanner, seen } = stopBehind('starttls');
    scanner.push(Buffer.from(`${OPENING}<starttls xmlns='${ns.tls}'/>${second}<injected/>`));
    scanner.restart();
    expect(scanner.unconsumed).toBe(0);
    scanner.push(Buffer.from(`${second}<iq/>`));
    expect(seen).toEqual(['header montague.example', 'starttls', 'header second.example', 'iq']);
  });

  test('nothing is read behind the closing tag', () => {
    const { scanner, seen } = recording();
    scanner.push(Buffer.from(`${OPENING}${CLOSING}<iq/>${second}`));
    scanner.push(Buffer.from(second));
    expect(seen).toEqual(['header montague.example', 'footer']);
  });

  test('a fault thrown by an event passes through', () => {
    const { scanner } = recording(() => {
      throw new RangeError('of the listener');
    });
    expect(() => scanner.push(Buffer.from(`${OPENING}<iq/>`))).toThrow(RangeError);
  });
});

test('elements of other namespaces between stanzas come as received', () => {
  const result = `<db:result from='a' to='b' type='valid'/>`;
  const features = `<stream:features><dialback xmlns='${ns.dialbackFeature}'/></stream:features>`;
  expect(scanElements(result + features)).toMatchObject([
    { namespace: ns.dialback, name: 'result', bytes: Buffer.from(result) },
    { namespace: ns.streams, name: 'features', bytes: Buffer.from(features) },
  ]);
});
