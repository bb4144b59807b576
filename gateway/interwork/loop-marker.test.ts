import { describe, expect, it } from 'vitest';
import { crossLoop, MOST_GATEWAYS, markLoop, readLoop, stripLoop } from './loop-marker.ts';
import { stanzaFrom } from './stanza.fixture.ts';

const written = (xml: string): string =>
  markLoop(stanzaFrom(xml), { hops: 9, gateways: ['a', 'b-1'] }).bytes.toString();
const marker = '<loop xmlns="urn:drawbridge:loop:1" hops="9" via="a b-1"/>';

describe('a loop marker', () => {
  it.each([
    ['<message from="a"/>', `<message from="a">${marker}</message>`],
    ['<message><body>x/></body></message >', `<message><body>x/></body>${marker}</message >`],
    ['<message><x xmlns="y"/></message>', `<message><x xmlns="y"/>${marker}</message>`],
    [`<message><body>ü</body>${marker}</message>`, `<message><body>ü</body>${marker}</message>`],
  ])('is written last in %s, once', (xml, marked) => {
    expect(written(xml)).toBe(marked);
  });

  it('is counted among the children, and taken out again', () => {
    const stanza = stanzaFrom('<message><body>x</body></message>');
    const marked = markLoop(stanza, { hops: 9, gateways: ['a'] });
    expect(marked).toMatchObject({ children: 2, childName: 'body' });
    expect(readLoop(marked)).toEqual({ hops: 9, gateways: ['a'] });
    expect(stripLoop(marked)).toEqual({ ...stanza, childNamespace: stripLoop(marked).childNamespace });
    expect(markLoop(stanzaFrom('<message/>'), { hops: 1, gateways: [] })).toMatchObject({
      children: 1,
      childName: 'loop',
      childNamespace: 'urn:drawbridge:loop:1',
    });
  });

  it('leaves a stanza without one as it is, also where its name stands in a text', () => {
    const stanza = stanzaFrom('<message><body>urn:drawbridge:loop:1</body></message>');
    expect(readLoop(stanza)).toBeUndefined();
    expect(stripLoop(stanza)).toBe(stanza);
    expect(readLoop(stanzaFrom('<message/>'))).toBeUndefined();
  });

  it('counts only as a child of the stanza itself', () => {
    const xml = `<message><forwarded xmlns="urn:xmpp:forward:0">${marker}</forwarded></message>`;
    expect(readLoop(stanzaFrom(xml))).toBeUndefined();
  });

  it.each([
    ['too many hops', 'hops="999" via="a"', { hops: 70, gateways: ['a'] }],
    ['hops that are no number', 'hops="-1" via="a"', { hops: 0, gateways: ['a'] }],
    ['no hops', 'via="a"', { hops: 0, gateways: ['a'] }],
    ['no gateways', 'hops="5"', { hops: 5, gateways: [] }],
    ['an id that is none', 'hops="5" via="a &lt;x&gt; b"', { hops: 0, gateways: ['a', 'b'] }],
  ])('with %s is read with caution', (_what, attributes, read) => {
    const xml = `<message><loop xmlns="urn:drawbridge:loop:1" ${attributes}/></message>`;
    expect(readLoop(stanzaFrom(xml))).toEqual(read);
  });

  it('counts with the fewest hops and all gateways where there are several', () => {
    const other = marker.replace('"9"', '"3"').replace('a b-1', 'c');
    expect(readLoop(stanzaFrom(`<message>${marker}${other}</message>`))).toEqual({
      hops: 3,
      gateways: ['a', 'b-1', 'c'],
    });
  });

  it('leaves no hops where it names more gateways than may be', () => {
    const gateways = Array.from({ length: MOST_GATEWAYS + 5 }, (_, n) => `g${n}`);
    expect(readLoop(markLoop(stanzaFrom('<message/>'), { hops: 60, gateways }))?.hops).toBe(0);
  });
});

describe('a crossing', () => {
  it('takes a hop and leaves our id', () => {
    expect(crossLoop(undefined, 'us')).toEqual({ hops: 69, gateways: ['us'] });
    expect(crossLoop({ hops: 5, gateways: ['them'] }, 'us')).toEqual({ hops: 4, gateways: ['them', 'us'] });
  });

  it('is refused where it was here before, or through too many, or has no hops', () => {
    expect(crossLoop({ hops: 5, gateways: ['us', 'them'] }, 'us')).toBe('loop');
    expect(crossLoop({ hops: 5, gateways: Array.from({ length: MOST_GATEWAYS }, (_, n) => `${n}`) }, 'us')).toBe(
      'loop',
    );
    expect(crossLoop({ hops: 0, gateways: [] }, 'us')).toBe('spent');
  });

  it('ends between two gateways that send to each other', () => {
    let stanza = stanzaFrom('<message><body>x</body></message>');
    const seen: string[] = [];
    for (const gateway of ['a', 'b', 'a', 'b']) {
      const next = crossLoop(readLoop(stanza), gateway);
      seen.push(typeof next === 'string' ? next : `${next.hops}`);
      if (typeof next === 'string') break;
      stanza = markLoop(stanza, next);
    }
    expect(seen).toEqual(['69', '68', 'loop']);
  });
});
