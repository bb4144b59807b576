import fc from 'fast-check';
import { ns } from './namespaces.ts';

/** A stream as it was generated: its parts concatenated are its spelling. */
export interface GeneratedStream {
  readonly opening: string;
  /** Top-level elements, and white space between them. */
  readonly items: readonly string[];
  readonly closing: string;
}

/** Prefixes the generated openings declare. */
export const STREAM_PREFIXES: Readonly<Record<string, string>> = { h: 'urn:h', g: 'urn:g?a=1&b="2"' };

const space = fc.constantFrom('', ' ', '\n', '\t ', '\r\n');
const gap = fc.constantFrom(' ', '\n', ' \t', '\r\n  ');
const localName = fc.constantFrom('a', 'body', 'x-1', '_y.z', 'Message', 'item');
const reference = fc.constantFrom(
  '&amp;',
  '&lt;',
  '&gt;',
  '&quot;',
  '&apos;',
  '&#65;',
  '&#x1F980;',
  '&#xfffd;',
  '&#010;',
);
const character = fc.oneof(
  fc.constantFrom(
    '>',
    ']',
    ']]',
    'ä',
    '中',
    '🦀',
    '\ufeff',
    '\ufffd',
    '\u{1fffe}',
    '\x7f',
    '\u0085',
    '/',
    '=',
    '-',
    'a b',
  ),
  fc.string({ unit: 'grapheme', maxLength: 8 }).map((text) => text.replace(/[&<>'"\]\p{Cc}\p{Cs}\ufffe\uffff]/gu, '')),
);
const cdata = fc
  .array(fc.oneof(character, fc.constantFrom('<', '&', '&amp;', '<!--', '"', "'", '\n')), { maxLength: 4 })
  .map((parts) => {
    return `<![CDATA[${parts.join('').replaceAll(']]>', ']] >')}]]>`;
  });
const textSpelling = fc
  .array(fc.oneof(character, reference, fc.constantFrom('"', "'", '\n', '\t')), { minLength: 1, maxLength: 5 })
  .map((parts) => parts.join('').replaceAll(']]>', ']]&gt;').replace(/\]+$/, ''));

const valueSpelling = fc
  .record({
    quote: fc.constantFrom('"', "'"),
    parts: fc.array(fc.oneof(character, reference, fc.constantFrom('"', "'", '\n', '\r\n', ']]>')), { maxLength: 4 }),
  })
  .map(({ quote, parts }) => `${quote}${parts.join('').replaceAll(quote, '')}${quote}`);

const attribute = (
  name: fc.Arbitrary<string>,
  value: fc.Arbitrary<string>,
): fc.Arbitrary<[name: string, spelling: string]> =>
  fc.record({ before: gap, name, left: space, right: space, value }).map(({ before, name, left, right, value }) => {
    return [name, `${before}${name}${left}=${right}${value}`];
  });
const quoted = (...values: string[]): fc.Arbitrary<string> =>
  fc.constantFrom(...values.flatMap((value) => [`"${value}"`, `'${value}'`]));

const namespaces = ['urn:one', 'urn:two', ns.server];
const ordinary = attribute(fc.constantFrom('b', 'ver', 'type', 'id', 'to', 'from'), valueSpelling);
const prefixed = attribute(fc.constantFrom('h:b', 'g:b', 'h:type', 'xml:lang', 'xml:space'), valueSpelling);
const declaration = fc.oneof(
  attribute(fc.constant('xmlns'), quoted(...namespaces, '')),
  attribute(fc.constantFrom('xmlns:h', 'xmlns:own'), quoted('urn:three')),
);

interface TagShape {
  readonly name: fc.Arbitrary<string>;
  readonly attributes: fc.Arbitrary<[name: string, spelling: string][]>;
}

const distinct = (...kinds: fc.Arbitrary<[string, string]>[]): fc.Arbitrary<[string, string][]> =>
  fc.uniqueArray(fc.oneof(...kinds), { maxLength: 5, selector: ([name]) => name });

const rich: TagShape = {
  name: fc.oneof(
    localName,
    fc.tuple(fc.constantFrom('h', 'g'), localName).map(([prefix, local]) => `${prefix}:${local}`),
  ),
  attributes: distinct(ordinary, prefixed, declaration),
};
/** What needs no rewriting: nothing is taken from the stream header, nothing is said twice. */
const plain: TagShape = {
  name: localName,
  attributes: distinct(
    ordinary,
    attribute(fc.constant('xml:lang'), valueSpelling),
    attribute(fc.constant('xmlns'), quoted('urn:one', 'urn:two')),
  ),
};

function contentOf(shape: TagShape): fc.Arbitrary<string> {
  const { content } = fc.letrec<{ content: string; element: string }>((tie) => ({
    content: fc
      .array(fc.oneof({ maxDepth: 4 }, textSpelling, cdata, tie('element')), { maxLength: 3 })
      .map((parts) => parts.join('')),
    element: tagged(shape.name, shape.attributes, tie('content')),
  }));
  return content;
}

function tagged(
  name: fc.Arbitrary<string>,
  attributes: fc.Arbitrary<[string, string][]>,
  content: fc.Arbitrary<string>,
): fc.Arbitrary<string> {
  return fc
    .record({ name, attributes, content, end: space, close: space })
    .map(({ name, attributes, content, end, close }) => {
      const start = `<${name}${attributes.map(([, spelling]) => spelling).join('')}${end}`;
      return content === '' && close === '' ? `${start}/>` : `${start}>${content}</${name}${close}>`;
    });
}

const stanzaName = fc.constantFrom('message', 'presence', 'iq');
const root = distinct(
  ordinary,
  prefixed,
  attribute(fc.constant('xmlns'), quoted(ns.server)),
  attribute(fc.constantFrom('xmlns:h', 'xmlns:own'), quoted('urn:three')),
);

/** A stanza whose bytes may pass unchanged. */
export const plainStanza = tagged(
  stanzaName,
  distinct(ordinary, attribute(fc.constant('xml:lang'), valueSpelling)),
  contentOf(plain),
);
/** A stanza that may take prefixes from the stream header, and declare what needs no declaring. */
export const richStanza = tagged(stanzaName, root, contentOf(rich));
const otherElement = tagged(
  fc.constantFrom('stream:features', 'h:result', 'starttls'),
  distinct(ordinary, attribute(fc.constant('xmlns'), quoted('urn:one'))),
  contentOf(rich),
);

export const opening = fc
  .record({
    declaration: fc.constantFrom(
      '',
      "<?xml version='1.0'?>",
      '<?xml version="1.0" encoding="utf-8" standalone="no" ?>\n',
    ),
    lang: fc.constantFrom('', 'en', 'de', 'x-&lt;&amp;&quot;'),
    end: space,
  })
  .map(({ declaration, lang, end }) => {
    const prefixes = Object.entries(STREAM_PREFIXES).map(
      ([prefix, uri]) => ` xmlns:${prefix}='${uri.replace('&', '&amp;')}'`,
    );
    const language = lang === '' ? '' : ` xml:lang='${lang}'`;
    return `${declaration}<stream:stream xmlns='${ns.server}' xmlns:stream="${ns.streams}"${prefixes.join('')}${language}${end}>`;
  });

export const generatedStream: fc.Arbitrary<GeneratedStream> = fc.record({
  opening,
  items: fc.array(fc.oneof({ arbitrary: richStanza, weight: 3 }, otherElement, gap), { maxLength: 4 }),
  closing: fc.constantFrom('</stream:stream>', '</stream:stream \n>'),
});
