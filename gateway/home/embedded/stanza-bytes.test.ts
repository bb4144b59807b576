import { describe, expect, it } from 'vitest';
import { stanza } from './local-users.fixture.ts';
import { compose, contentOf, embedded, errorOf, stanzaOf, withChild } from './stanza-bytes.ts';

const texts = [
  `<message from='a@b/>"' to="c&amp;d"/>`,
  `<message a='>' ><body>x</body></message >`,
  '<message></message>',
  '<message xmlns:p="urn:p" type="chat"><p:x/>ü</message>',
];

it.each(texts)('adds a child behind all that %s has', (xml) => {
  const bytes = withChild(stanza(xml), '<last/>').bytes.toString();
  const before = stanza(xml).children;
  expect(stanza(bytes).children).toBe(before + 1);
  expect(bytes).toMatch(/<last\/><\/message ?>$/);
});

it.each(texts)('reads back the addressing of %s', (xml) => {
  const { from, to, type, id } = stanza(xml);
  expect(stanzaOf(Buffer.from(xml))).toMatchObject({ name: 'message', from, to, type, id });
});

// Read with a pattern that may begin anew at each of these spaces, this takes a minute.
it('reads a start tag that is mostly space in one pass', () => {
  const xml = `<message from="a@b" to="c@d"${' '.repeat(250_000)}><body/></message>`;
  expect(stanzaOf(Buffer.from(xml))).toMatchObject({ name: 'message', from: 'a@b', to: 'c@d' });
  expect(contentOf(stanza(xml))).toEqual({ prefixes: '', xml: '<body/>' });
});

it.each(['<message', '<message from="a@b" to', '<message from="a@b" to =', '<message from="a@b" to="c'])(
  'reads what there is of %s, which is cut off',
  (xml) => {
    expect(stanzaOf(Buffer.from(xml))).toMatchObject({
      name: 'message',
      from: xml.includes('a@b') ? 'a@b' : '',
      to: '',
    });
  },
);

it('says the namespace of a stanza within another', () => {
  expect(embedded(stanza('<message from="a"><body>x</body></message>'))).toBe(
    '<message xmlns="jabber:client" from="a"><body>x</body></message>',
  );
  expect(embedded(stanza('<message/>'))).toBe('<message xmlns="jabber:client"/>');
});

it.each([
  ['<iq id="1"><a/>b</iq>', '', '<a/>b'],
  ['<iq/>', '', ''],
  ['<iq></iq>', '', ''],
  ['<iq xmlns:p="urn:>" id="1"><p:a/></iq>', ' xmlns:p="urn:>"', '<p:a/>'],
])('takes the content of %s', (xml, prefixes, content) => {
  expect(contentOf(stanza(xml))).toEqual({ prefixes, xml: content });
});

describe('an error', () => {
  it.each([
    ['<message from="a@b" to="c@d" id="1"/>', true],
    ['<message from="a@b" to="c@d" type="error"/>', false],
    ['<iq from="a@b" to="c@d" type="result" id="1"/>', false],
    ['<iq from="a@b" to="c@d" type="get" id="1"/>', true],
    ['<presence from="a@b" to="c@d" type="subscribe"/>', true],
    ['<presence from="a@b" to="c@d" type="probe"/>', false],
    ['<presence from="a@b" to="c@d" type="unavailable"/>', false],
    [`<message from="a@b" to="c@d" id="${'x'.repeat(10_000)}"/>`, false],
  ])('for %s: %s', (xml, answered) => {
    expect(errorOf(stanza(xml), 'user-unknown') !== undefined).toBe(answered);
  });

  it('mirrors the addresses and escapes what it repeats', () => {
    const error = errorOf(stanza('<message from="a@b/&lt;" to="c@d" id="&quot;"/>'), 'user-unknown');
    expect(error?.bytes.toString()).toMatch(/^<message from="c@d" to="a@b\/&lt;" type="error" id="&quot;"><error /);
  });
});

it('leaves out what is empty', () => {
  expect(compose('iq', { from: '', to: 'a', type: 'set', id: '' }).bytes.toString()).toBe('<iq to="a" type="set"/>');
});
