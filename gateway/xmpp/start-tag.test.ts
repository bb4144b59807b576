import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ns } from './namespaces.ts';
import { OPENING, scan, scanElements, split } from './scanner.fixture.ts';
import type { ScannedElement } from './start-tag.ts';
import { generatedStream, STREAM_PREFIXES } from './xml.arbitrary.ts';
import { type Meaning, meaningOf } from './xml-tree.fixture.ts';

const stream = (attributes: string): string => `<stream:stream xmlns:stream='${ns.streams}' ${attributes}>`;
const headerOf = (xml: string, content = ns.server as string) => scan([xml], { content }).headers[0];
const first = (xml: string, opening = OPENING): ScannedElement => scanElements(xml, { opening })[0] as ScannedElement;
const portable = (xml: string, opening = OPENING): string => first(xml, opening).bytes.toString();

describe('a stream header', () => {
  test('is read with its attributes unescaped', () => {
    expect(
      headerOf(stream(`xmlns='${ns.server}' id="&quot;7&amp;&#x1F980;" to='a' from="b" version='1.0' xml:lang='de'`)),
    ).toEqual({
      to: 'a',
      from: 'b',
      id: '"7&🦀',
      version: '1.0',
      lang: 'de',
      contentNamespace: ns.server,
      dialback: false,
    });
  });

  test('lacks what it lacks', () => {
    expect(headerOf(stream(`xmlns='${ns.server}'`))).toMatchObject({ to: '', from: '', id: '', version: '', lang: '' });
  });

  test('announces dialback by its namespace, whatever the prefix', () => {
    expect(headerOf(stream(`xmlns='${ns.server}' xmlns:d='${ns.dialback}'`))?.dialback).toBe(true);
    expect(headerOf(stream(`xmlns='${ns.server}' xmlns:db='urn:other'`))?.dialback).toBe(false);
  });

  test('may have another prefix than `stream`', () => {
    expect(headerOf(`<s:stream xmlns:s='${ns.streams}' xmlns='${ns.server}' to='a'>`)?.to).toBe('a');
  });

  test('is of the content namespace the scanner was made for', () => {
    const xml = stream(`xmlns='${ns.component}' from='a'`);
    expect(headerOf(xml, ns.component)?.contentNamespace).toBe(ns.component);
    expect(headerOf(xml)).toBeUndefined();
  });
});

describe('what routing needs', () => {
  test.each<[string, string, Partial<ScannedElement>]>([
    [
      'the attributes of a stanza',
      `<message from='a@b/c' to="d" type='chat' id='1' xml:lang='de'><body>x</body></message>`,
      { namespace: ns.server, name: 'message', from: 'a@b/c', to: 'd', type: 'chat', id: '1', lang: 'de' },
    ],
    [
      'absent attributes',
      '<iq/>',
      { name: 'iq', from: '', to: '', type: '', id: '', childName: '', childNamespace: '' },
    ],
    ['escaped values', '<iq id="&apos;&#65;&amp;amp;" to="ä中"/>', { id: "'A&amp;", to: 'ä中' }],
    ['values with white space', '<iq id="a\n\tb&#10;c"/>', { id: 'a  b\nc' }],
    ['the language of the stream', '<iq/>', { lang: 'en' }],
    [
      'an attribute of another namespace with the same local name',
      '<iq db:to="x" to="y" db:from="z"/>',
      { to: 'y', from: '' },
    ],
    [
      'the first child only',
      '<iq><a xmlns="urn:a"><b xmlns="urn:b"/></a><c/></iq>',
      { childName: 'a', childNamespace: 'urn:a' },
    ],
    ['a child behind text', '<iq>\n <![CDATA[ ]]><a/></iq>', { childName: 'a', childNamespace: ns.server }],
    [
      'a child with a prefix of its own',
      '<iq><p:a xmlns:p="urn:p"/></iq>',
      { childName: 'a', childNamespace: 'urn:p' },
    ],
    [
      'a child with a prefix of the stanza',
      '<iq xmlns:p="urn:p"><p:a xmlns="urn:x"/></iq>',
      { childName: 'a', childNamespace: 'urn:p' },
    ],
    ['a child with a prefix of the stream', '<iq><db:a/></iq>', { childName: 'a', childNamespace: ns.dialback }],
    ['a prefix bound anew', '<iq xmlns:db="urn:new"><db:a/></iq>', { childName: 'a', childNamespace: 'urn:new' }],
    [
      'a prefix bound anew on the child itself',
      '<iq xmlns:db="urn:1"><db:a xmlns:db="urn:2"/></iq>',
      { childNamespace: 'urn:2' },
    ],
    ['a child in no namespace', '<iq><a xmlns=""/></iq>', { childName: 'a', childNamespace: '' }],
    [
      'a stanza in another namespace',
      '<message xmlns="jabber:client"><body/></message>',
      { namespace: 'jabber:client', childNamespace: 'jabber:client' },
    ],
    ['an element with a prefix', "<db:result to='x'/>", { namespace: ns.dialback, name: 'result', to: 'x' }],
    [
      'the child of an element with a prefix: it inherits the default namespace, not that of its parent',
      '<stream:error><conflict/></stream:error>',
      { namespace: ns.streams, name: 'error', childName: 'conflict', childNamespace: ns.server },
    ],
    [
      'the same where the parent declares a default',
      '<stream:error xmlns="urn:x"><conflict/></stream:error>',
      { namespace: ns.streams, childName: 'conflict', childNamespace: 'urn:x' },
    ],
    ['the prefix xml', '<iq><xml:a/></iq>', { childName: 'a', childNamespace: ns.xml }],
  ])('%s', (_, xml, expected) => expect(first(xml)).toMatchObject(expected));

  test('nothing of one element leaks into the next', () => {
    const [, second] = scanElements('<iq to="a" id="b" xmlns="urn:x" xml:lang="de"><c/></iq><iq/>');
    expect(second).toMatchObject({ namespace: ns.server, to: '', id: '', lang: 'en', childName: '' });
  });
});

describe('bytes that may be written on another stream', () => {
  const german = OPENING.replace("xml:lang='en'", "xml:lang='de'");
  test.each([
    ['the content namespace on the stanza', `<iq xmlns='${ns.server}' id='1'/>`, "<iq  id='1'/>"],
    ['the content namespace as the last attribute', `<iq id='1' xmlns="${ns.server}"></iq>`, "<iq id='1' ></iq>"],
    ['the content namespace, spelled with a reference', '<iq xmlns="jabber&#58;server"/>', '<iq />'],
    [
      'the content namespace on children',
      `<message><body xmlns='${ns.server}'>a</body><b/><c xmlns='${ns.server}'/></message>`,
      '<message><body >a</body><b/><c /></message>',
    ],
    [
      'on stanza and child',
      `<message xmlns='${ns.server}'><body xmlns='${ns.server}'/></message>`,
      '<message ><body /></message>',
    ],
  ])('lose %s', (_, xml, expected) => expect(portable(xml)).toBe(expected));

  test.each([
    ['the content namespace deeper inside', `<message><a xmlns="urn:a"><message xmlns='${ns.server}'/></a></message>`],
    ['other namespaces', '<message><a xmlns="urn:a"/><b xmlns=""/></message>'],
    ['prefixes of their own', '<message xmlns:p="urn:p" p:a=""><p:b/></message>'],
    ['a prefix of the stream that they bind themselves', '<message xmlns:db="urn:x" db:a=""/>'],
    ['their own language', '<message xml:lang="fr"/>'],
  ])('keep %s', (_, xml) => expect(portable(xml, german.replace("xml:lang='de'", ''))).toBe(xml));

  test.each([
    ['of an attribute', '<message db:a="b"/>', `<message xmlns:db="${ns.dialback}" db:a="b"/>`],
    ['of a child', '<message to="a"><db:b/></message>', `<message xmlns:db="${ns.dialback}" to="a"><db:b/></message>`],
    [
      'deep inside',
      '<message><a><b><c db:d=""/></b></a></message>',
      `<message xmlns:db="${ns.dialback}"><a><b><c db:d=""/></b></a></message>`,
    ],
    ['once', '<message db:a=""><db:b/></message>', `<message xmlns:db="${ns.dialback}" db:a=""><db:b/></message>`],
    [
      'though a child binds it anew',
      '<message><db:a xmlns:db="urn:x"/><db:b/></message>',
      `<message xmlns:db="${ns.dialback}"><db:a xmlns:db="urn:x"/><db:b/></message>`,
    ],
  ])('gain a prefix of the stream: %s', (_, xml, expected) => expect(portable(xml)).toBe(expected));

  test('gain no prefix that the element before used', () => {
    const [, second] = scanElements('<db:verify db:x=""/><message/>');
    expect(second?.bytes.toString()).toBe('<message/>');
  });

  test('gain the language of the stream where it is not that of ours', () => {
    expect(portable('<message/>', german)).toBe('<message xml:lang="de"/>');
    expect(portable('<message><a xml:lang="fr"/></message>', german)).toBe(
      '<message xml:lang="de"><a xml:lang="fr"/></message>',
    );
    expect(portable('<message xml:lang=""/>', german)).toBe('<message xml:lang=""/>');
    expect(portable('<message/>', OPENING)).toBe('<message/>');
  });

  test('are escaped where they come from the header', () => {
    const odd = OPENING.replace(ns.dialback, 'urn:&lt;&amp;"').replace("'en'", "'&lt;&quot;&apos;'");
    expect(portable('<message db:a=""/>', odd)).toBe(
      '<message xmlns:db="urn:&lt;&amp;&quot;" xml:lang="&lt;&quot;&apos;" db:a=""/>',
    );
  });

  test('mean the same on a stream with another default namespace', () => {
    fc.assert(
      fc.property(generatedStream, fc.array(fc.nat(), { maxLength: 6 }), ({ opening, items }, places) => {
        const { headers, elements, fault } = scan(split(Buffer.from(opening + items.join('')), places));
        expect(fault).toBeUndefined();
        const sources = items.map((item) => item.trim()).filter((item) => item !== '');
        for (const [n, element] of elements.entries()) {
          const source = sources[n] as string;
          const meant = meaningOf(source, { ...STREAM_PREFIXES, stream: ns.streams });
          expectRead(element, meant);
          const written = element.bytes.toString();
          if (element.namespace === ns.server) {
            const lang = headers[0]?.lang ?? '';
            expect(inContext(meaningOf(written, {}, ns.component), 'en')).toEqual(
              inContext(meant, lang === '' ? 'en' : lang),
            );
          } else expect(written).toBe(source);
        }
      }),
      { numRuns: 500 },
    );
  });

  /** An element with the language it inherits. */
  function inContext(element: Meaning, lang: string): Meaning {
    return { ...element, attributes: { [`{${ns.xml}}lang`]: lang, ...element.attributes } };
  }

  function expectRead(element: ScannedElement, { name, attributes, content }: Meaning): void {
    const named = (namespace: string, local: string): string => `{${namespace === ns.server ? '' : namespace}}${local}`;
    const child = content.find((part) => typeof part === 'object');
    expect(named(element.namespace, element.name)).toBe(name.replace(/\(.*\)/, ''));
    expect(element).toMatchObject({
      from: attributes.from ?? '',
      to: attributes.to ?? '',
      type: attributes.type ?? '',
      id: attributes.id ?? '',
    });
    expect(element.childName).toBe(child?.name.replace(/^\{.*\}/, '') ?? '');
    if (child)
      expect(named(element.childNamespace, element.childName)).toBe(
        child.name.replace(/\(.*\)/, '').replace(`{${ns.server}}`, '{}'),
      );
  }
});
