import fc from 'fast-check';
import { parse } from 'ltx';
import { describe, expect, it } from 'vitest';
import { stanza } from './bridge.fixture.ts';
import { hideAddresses, reduce } from './presence-view.ts';

const START = "<presence from='a@h.example/x' to='b@p.example' id='1'";
const OUT = '<presence from="a@h.example/x" to="b@p.example" id="1"';
const MUC_USER = 'http://jabber.org/protocol/muc#user';

describe('a reduced presence', () => {
  it.each([
    ['show', '<show>xa</show>', '<show>xa</show>'],
    ['show, padded', '<show> dnd\n</show>', '<show>dnd</show>'],
    ['no such show', '<show>at home</show>', ''],
    ['priority', '<priority> -5 </priority>', '<priority>-5</priority>'],
    ['no priority', '<priority>high</priority>', ''],
    [
      'status in languages',
      "<status>a</status><status xml:lang='de'>b</status>",
      '<status>a</status><status xml:lang="de">b</status>',
    ],
    [
      'status escaped',
      '<status>a &lt;b/&gt; &amp;amp; &#x201c;c&#x201d;</status>',
      '<status>a &lt;b/&gt; &amp;amp; “c”</status>',
    ],
    [
      'status in CDATA',
      '<status><![CDATA[<show>chat</show>]]></status>',
      '<status>&lt;show&gt;chat&lt;/show&gt;</status>',
    ],
    ['status of another namespace', "<status xmlns='urn:x'>a</status>", ''],
    ['status with a prefix', "<p:status xmlns:p='urn:x'>a</p:status>", ''],
    ['capabilities', "<c xmlns='http://jabber.org/protocol/caps' node='n'/>", ''],
    ['a photo', "<x xmlns='vcard-temp:x:update'><photo>00</photo></x>", ''],
    ['a delay, which tells since when', "<delay xmlns='urn:xmpp:delay' stamp='2026-01-01T00:00:00Z'/>", ''],
    ['text', ' some text ', ''],
  ])('%s', (_name, content, kept) => {
    const seen = (inner: string): string => (inner === '' ? `${OUT}/>` : `${OUT}>${inner}</presence>`);
    expect(reduce(stanza(`${START}>${content}</presence>`), 'status').bytes.toString()).toBe(seen(kept));
    expect(reduce(stanza(`${START}>${content}</presence>`), 'availability').bytes.toString()).toBe(seen(''));
  });

  it('keeps the language that a status takes from its presence', () => {
    const german = stanza(`${START} xml:lang='de'><status>b</status><status xml:lang='en'>c</status></presence>`);
    const kept = '<status xml:lang="de">b</status><status xml:lang="en">c</status>';
    expect(reduce(german, 'status').bytes.toString()).toBe(`${OUT}>${kept}</presence>`);
    expect(reduce(german, 'availability').bytes.toString()).toBe(`${OUT}/>`);
  });

  it.each(['status', 'availability'] as const)('keeps at %s what joins and describes rooms', (show) => {
    const join = '<x xmlns="http://jabber.org/protocol/muc"><history maxchars="0"/><password>&lt;p&gt;</password></x>';
    const user = `<x xmlns="${MUC_USER}"><item affiliation="none" role="participant"/><status code="110"/></x>`;
    const reduced = reduce(stanza(`${START}><c xmlns='urn:c'/>${join}${user}</presence>`), show);
    expect(reduced.bytes.toString()).toBe(`${OUT}>${join}${user}</presence>`);
  });

  it('keeps a room element well-formed whose prefixes the presence declared', () => {
    const borrowed = `${START} xmlns:e='urn:e'><x xmlns='${MUC_USER}' e:a='1'><e:f/></x></presence>`;
    const [x] = parse(reduce(stanza(borrowed), 'availability').bytes.toString()).getChildren('x', MUC_USER);
    expect(x?.getChild('f', 'urn:e')).toBeDefined();
  });

  it('is well-formed whatever the status says', () => {
    const text = fc.string({ unit: 'binary' }).filter((value) => !/[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/.test(value));
    const escaped = (value: string): string =>
      value.replace(/[&<>"'\r]/g, (character) => `&#${character.charCodeAt(0)};`);
    fc.assert(
      fc.property(text, text, (status, id) => {
        const xml = `<presence from='a@h.example/x' to='b@p.example' id='${escaped(id)}'><status>${escaped(status)}</status></presence>`;
        const read = parse(reduce(stanza(xml), 'status').bytes.toString());
        expect([read.getChildText('status') ?? '', read.attrs.id ?? '']).toEqual([status, id]);
        expect(read.children).toHaveLength(1);
      }),
    );
  });
});

describe('the occupants of a room', () => {
  const hidden = (address: string): boolean => address.startsWith('hidden@');
  const room = (items: string): string =>
    `<presence from='r@h.example/n' to='b@p.example'><x xmlns='${MUC_USER}'>${items}</x></presence>`;

  it('lose the real address of who is hidden, and nothing else', () => {
    const presence = stanza(
      room(
        "<item jid='hidden@h.example/x' role='none' nick='n'><actor jid='hidden@h.example' nick='m'/><reason>a &amp; b</reason></item><status code='307'/>",
      ),
    );
    const seen = '<item role="none" nick="n"><actor nick="m"/><reason>a &amp; b</reason></item><status code="307"/>';
    const xml = room(seen).replaceAll("'", '"');
    expect(hideAddresses(presence, hidden)).toEqual({ ...presence, bytes: Buffer.from(xml) });
  });

  it.each([
    [
      'the author of repeated messages',
      "<message><addresses xmlns='http://jabber.org/protocol/address'><address type='ofrom' jid='hidden@h.example/x'/></addresses></message>",
    ],
    [
      'whoever invites',
      "<message><x xmlns='http://jabber.org/protocol/muc#user'><invite from='hidden@h.example/x'/></x></message>",
    ],
  ])('leave %s out of what a room says', (_who, xml) => {
    const seen = hideAddresses(stanza(xml), hidden).bytes.toString();
    expect(seen).not.toContain('hidden@');
    expect(seen).toMatch(/<(address|invite)/);
  });

  it.each([
    ['nobody in it is hidden', room("<item jid='ann@h.example/x'/>")],
    ['it names nobody', room("<item role='none'/>")],
    [
      'it is no room',
      "<presence from='hidden@h.example'><x xmlns='urn:x'><item jid='hidden@h.example'/></x></presence>",
    ],
  ])('stay byte for byte where %s', (_case, xml) => {
    const presence = stanza(xml);
    expect(hideAddresses(presence, hidden).bytes).toBe(presence.bytes);
  });
});
