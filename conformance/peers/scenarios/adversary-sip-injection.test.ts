import { type Element, xml } from '@xmpp/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { headerValue, headerValues, type WireMessage } from '../sip-reader.ts';
import { goodDomain, homeDomain, hostileDomain, page, SipSiege } from '../sip-siege.ts';

/** What a MESSAGE of the gateway may consist of; anything else was brought in. */
const ours = new Set(
  'via max-forwards from to call-id cseq content-type content-length subject content-language user-agent max-breadth supported allow'.split(
    ' ',
  ),
);
const bob = `bob@${goodDomain}`;
const evil = '\r\nX-Evil: 1\r\n\r\nINVITE sip:x@p.example SIP/2.0\r\n';
const breaks = [
  { what: 'CR LF', text: `a${evil}` },
  { what: 'LF', text: 'a\nX-Evil: 1' },
  { what: 'CR', text: 'a\rX-Evil: 1' },
  { what: 'percent-encoded CR LF', text: 'a%0d%0aX-Evil:%201' },
  { what: 'percent-encoded NUL', text: 'a%00b' },
  { what: 'other ends of lines', text: 'a\u0085X-Evil: 1\u2028X-Evil: 1\u000aX-Evil: 1' },
  { what: 'parameters', text: `a>;tag=1, <sip:ceo@${homeDomain}>` },
  { what: 'quotes', text: 'a" <sip:x@y>;b="\\' },
];

function wellFormed(message: WireMessage): void {
  for (const [name, value] of message.headers) {
    expect([...ours], `${name}: ${value}`).toContain(name.toLowerCase());
    expect(value).not.toMatch(/[\u0000-\u0008\u000a-\u001f\u007f]/);
  }
  for (const name of ['via', 'from', 'to', 'call-id', 'cseq', 'content-length', 'max-forwards']) {
    expect(headerValues(message, name), name).toHaveLength(1);
  }
  expect(headerValue(message, 'from')).toMatch(
    new RegExp(`^<sip:[^<>\\s"]*@${homeDomain}(;[^<>\\s"]*)?>;tag=[0-9a-f]+$`),
  );
}

// Every field of either protocol that becomes one of the other.
describe('Headers and elements that a peer writes into its fields', () => {
  let siege: SipSiege;

  beforeAll(async () => {
    siege = await SipSiege.start();
  });
  afterAll(() => siege?.close());

  /** Sends a stanza of alice; resolves with the MESSAGE that comes of it, or the error. */
  async function cross(stanza: Element, words: string): Promise<WireMessage | Element> {
    const id = stanza.attrs.id;
    const back = siege.alice.messages.next(({ attrs }) => attrs.type === 'error' && attrs.id === id);
    const there = siege.good.pages.next(({ body }) => body.toString().includes(words));
    back.catch(() => {});
    there.catch(() => {});
    await siege.alice.send(stanza);
    return await Promise.race([back, there]);
  }

  const fields: readonly { what: string; write: (text: string, words: string) => Element }[] = [
    {
      what: 'a subject',
      write: (text, words) => xml('message', { to: bob }, xml('subject', {}, text), xml('body', {}, words)),
    },
    {
      what: 'a thread',
      write: (text, words) => xml('message', { to: bob }, xml('body', {}, words), xml('thread', {}, text)),
    },
    {
      what: 'the parent of a thread',
      write: (text, words) => xml('message', { to: bob }, xml('body', {}, words), xml('thread', { parent: text }, 't')),
    },
    { what: 'a body', write: (text, words) => xml('message', { to: bob }, xml('body', {}, `${words} ${text}`)) },
    {
      what: 'a nickname',
      write: (text, words) =>
        xml(
          'message',
          { to: bob },
          xml('body', {}, words),
          xml('nick', { xmlns: 'http://jabber.org/protocol/nick' }, text),
        ),
    },
    {
      what: 'a resource',
      write: (text, words) => xml('message', { to: `${bob}/${text.replace(/[\r\n]/g, ' ')}` }, xml('body', {}, words)),
    },
    {
      what: 'a language',
      write: (text, words) => xml('message', { to: bob }, xml('body', { 'xml:lang': text }, words)),
    },
    {
      what: 'a language of the stanza',
      write: (text, words) => xml('message', { to: bob, 'xml:lang': text }, xml('body', {}, words)),
    },
    {
      what: 'a user',
      write: (text, words) =>
        xml('message', { to: `${text.replace(/[\r\n\s"&'/:<>@]/g, '')}\\40x@${goodDomain}` }, xml('body', {}, words)),
    },
  ];

  describe.each(fields)('of XMPP: $what', ({ write }) => {
    it.each(breaks)('with $what stays what it is', async ({ text }) => {
      const words = `w${Math.random()}`;
      const stanza = write(text, words);
      stanza.attrs.id = `id-${words}`;
      const outcome = await cross(stanza, words);
      if ('start' in outcome) wellFormed(outcome);
      else expect(outcome.attrs.type).toBe('error');
      await siege.talk();
      expect(siege.good.requests.unread).toHaveLength(0);
    });
  });

  it('ids of stanzas go no further', async () => {
    for (const { text } of breaks) {
      const words = `w${Math.random()}`;
      const outcome = await cross(xml('message', { to: bob, id: text }, xml('body', {}, words)), words);
      if ('start' in outcome) wellFormed(outcome);
    }
    await siege.talk();
  });

  /** Sends a MESSAGE of mallory; resolves with what alice got of it, undefined where it was refused. */
  async function bring(request: ReturnType<typeof page>): Promise<Element | undefined> {
    const wire = await siege.attack();
    const answer = await wire.exchange(request);
    await wire.close();
    if (!/^SIP\/2\.0 2/.test(answer.start)) {
      expect(answer.start).toMatch(/^SIP\/2\.0 4\d\d /);
      return undefined;
    }
    return await siege.alice.messages.next(({ attrs }) => attrs.from?.startsWith(bob) !== true);
  }

  function plain(message: Element, children: readonly string[] = ['subject', 'body', 'thread']): void {
    expect(message.attrs.from).toMatch(new RegExp(`^([^@/]+@)?${hostileDomain}(/|$)`));
    expect(message.attrs.to).toMatch(new RegExp(`^alice@${homeDomain}`));
    expect(
      Object.keys(message.attrs).filter((name) => !['from', 'to', 'id', 'xml:lang', 'xmlns', 'type'].includes(name)),
    ).toEqual([]);
    for (const child of message.getChildElements()) {
      if (child.attrs.xmlns !== undefined && child.attrs.xmlns !== 'jabber:client') {
        // Marks of the gateway and of the home server: none that mallory wrote.
        expect(String(child)).not.toMatch(/evil/i);
        continue;
      }
      expect([...children]).toContain(child.name);
      expect(child.getChildElements()).toEqual([]);
    }
  }

  const markup = `</subject></body></thread></message><message to='ceo@${homeDomain}'><evil xmlns='urn:evil'/>`;
  it.each([
    { what: 'Subject', request: { headers: [['Subject', markup]] as const } },
    {
      what: 'Subject with references',
      request: { headers: [['Subject', '&lt;evil/&gt;&#0;&#13;&evil;<![CDATA[x]]>']] as const },
    },
    {
      what: 'Subject with control characters',
      request: { headers: [['Subject', 'a\u0001\u0008\u000b\u001f\ufffeevil']] as const },
    },
    { what: 'Content-Language', request: { headers: [['Content-Language', `de' evil='1`]] as const } },
    { what: 'Content-Language of markup', request: { headers: [['Content-Language', markup]] as const } },
    { what: 'Call-ID', request: { callId: `x'"<evil/>&` } },
    { what: 'Call-ID with an end of a line written in it', request: { callId: '%0d%0a%00%3Cevil%3E@x' } },
    { what: 'From user with %00', request: { from: `sip:a%00b@${hostileDomain}` } },
    { what: 'From user with %3C', request: { from: `sip:a%3Cevil%3E%22%26%27@${hostileDomain}` } },
    { what: 'From user with %40 and %2F', request: { from: `sip:ceo%40${homeDomain}%2Fx@${hostileDomain}` } },
    { what: 'From user with a line', request: { from: `sip:a%0d%0aevil@${hostileDomain}` } },
    { what: 'From user that is no UTF-8', request: { from: `sip:a%ff%fe%c0%af@${hostileDomain}` } },
    { what: 'From user with a surrogate', request: { from: `sip:a%ed%a0%80@${hostileDomain}` } },
    { what: 'gr with markup', request: { from: `sip:mallory@${hostileDomain};gr=%3Cevil%3E%00%0d%0a'"` } },
    { what: 'gr outside the brackets', request: { headers: [['Contact', `<sip:x@y>;gr="<evil/>"`]] as const } },
    {
      what: 'Reply-To, Organization and more',
      request: {
        headers: [
          ['Organization', markup],
          ['Reply-To', markup],
          ['X-Evil', markup],
        ] as const,
      },
    },
  ])('of SIP: $what stays what it is', async ({ request }) => {
    const message = await bring(page('hello', request));
    if (message !== undefined) plain(message);
    await siege.talk();
  });

  it.each([
    { what: 'a display name', from: `"</body><evil/>" <sip:mallory@${hostileDomain}>;tag=1` },
    { what: 'a display name of bytes that are none', from: `"a\\"<evil/>\\\\" <sip:mallory@${hostileDomain}>;tag=1` },
    { what: 'a tag', from: `<sip:mallory@${hostileDomain}>;tag=<evil/>` },
    { what: 'no brackets', from: `sip:mallory@${hostileDomain};gr=x;tag=1` },
  ])('of SIP: From with $what', async ({ from }) => {
    const wire = await siege.attack();
    await wire.write(
      [
        `MESSAGE sip:alice@${homeDomain} SIP/2.0`,
        `Via: SIP/2.0/TLS ${wire.local};branch=z9hG4bK${Math.random()}`,
        'Max-Forwards: 70',
        `From: ${from}`,
        `To: <sip:alice@${homeDomain}>`,
        `Call-ID: ${Math.random()}`,
        'CSeq: 1 MESSAGE',
        'Content-Type: text/plain',
        'Content-Length: 5',
        '',
        'hello',
      ].join('\r\n'),
    );
    const { start } = await wire.messages.next();
    expect(start).toMatch(/^SIP\/2\.0 (200|202|400) /);
    if (!start.includes(' 400 ')) plain(await siege.alice.messages.next());
    await wire.close();
    await siege.talk();
  });

  const cpim = (head: string, body: string, type = 'text/plain;charset=utf-8') =>
    page(`${head}\r\n\r\nContent-Type: ${type}\r\n\r\n${body}`, { headers: [['Content-Type', 'message/cpim']] });
  it.each([
    { what: 'markup', request: () => page(markup) },
    { what: 'NUL and controls', request: () => page('a\u0000b\u0001\u000b\u001b[31mevil\u0007') },
    {
      what: 'bytes that are no UTF-8',
      request: () => page(Buffer.from([0x61, 0xff, 0xfe, 0xc0, 0xaf, 0xed, 0xa0, 0x80])),
    },
    {
      what: 'html with script and markup',
      request: () =>
        page(
          `<html><body><script>evil()</script>&lt;evil/&gt;<a href="javascript:evil()">x</a>&#0;&#x1F;&#xFFFE;${markup}`,
          {
            headers: [['Content-Type', 'text/html']],
          },
        ),
    },
    {
      what: 'html nested without end',
      request: () => page('<b><i>'.repeat(20_000), { headers: [['Content-Type', 'text/html']] }),
    },
    {
      what: 'html of comments that never end',
      request: () =>
        page('<!--'.repeat(20_000) + '<a b="'.repeat(10_000), { headers: [['Content-Type', 'text/html']] }),
    },
    {
      what: 'html of references',
      request: () => page('&#'.repeat(40_000), { headers: [['Content-Type', 'text/html']] }),
    },
    {
      what: 'CPIM that says to be from somebody else',
      request: () => cpim(`From: <im:ceo@${homeDomain}>\r\nTo: <im:ceo@${homeDomain}>\r\nSubject: <evil/>`, 'hi'),
    },
    { what: 'CPIM with markup', request: () => cpim(`From: <im:m@${hostileDomain}>\r\nSubject: ${markup}`, markup) },
    {
      what: 'CPIM in CPIM',
      request: () => cpim('From: <im:x@y>', cpim('From: <im:x@y>', 'evil').body as string, 'message/cpim'),
    },
    {
      what: 'CPIM without end',
      request: () => page('From: <im:x@y>', { headers: [['Content-Type', 'message/cpim']] }),
    },
    {
      what: 'a type of markup',
      request: () => page('x', { headers: [['Content-Type', `text/plain;charset="${markup}"`]] }),
    },
    {
      what: 'a charset nobody knows',
      request: () => page('x', { headers: [['Content-Type', 'text/plain;charset=evil-7']] }),
    },
    {
      what: 'parts within parts',
      request: () => {
        const depth = 200;
        const open = Array.from(
          { length: depth },
          (_, n) => `--b${n}\r\nContent-Type: multipart/mixed;boundary=b${n + 1}\r\n\r\n`,
        );
        return page(open.join(''), { headers: [['Content-Type', 'multipart/mixed;boundary=b0']] });
      },
    },
    {
      what: 'thirty thousand parts',
      request: () =>
        page('--b\r\n\r\nx\r\n'.repeat(20_000), { headers: [['Content-Type', 'multipart/mixed;boundary=b']] }),
    },
    {
      what: 'a boundary of nothing',
      request: () => page('--\r\n\r\nevil\r\n----', { headers: [['Content-Type', 'multipart/mixed;boundary=""']] }),
    },
  ])('of SIP: a body of $what', async ({ request }) => {
    const started = performance.now();
    const message = await bring(request());
    expect(performance.now() - started).toBeLessThan(2_000);
    if (message !== undefined) plain(message);
    await siege.talk();
    siege.unhurt();
  });

  it.each([
    { what: 'markup', reason: `No</text></error></message><evil/>` },
    { what: 'control characters', reason: 'a\u0001b\u0000c\u001b[31m' },
    { what: 'references', reason: '&evil;&#0;<![CDATA[' },
    { what: 'five thousand characters', reason: 'x'.repeat(5_000) },
    { what: 'bytes that are no UTF-8', reason: '\ufffd\uffff' },
  ])(
    'of SIP: a reason phrase of $what reaches our user as text, if at all',
    async ({ what, reason }) => {
      siege.hostile.answerPage = () => [488, reason];
      const id = `refused-${what}`;
      await siege.alice.send(xml('message', { to: `eve@${hostileDomain}`, id }, xml('body', {}, id)));
      const back = await siege.alice.messages.next(({ attrs }) => attrs.id === id, { timeoutMs: 50_000 });
      expect(back.attrs.type).toBe('error');
      expect(back.getChild('evil')).toBeUndefined();
      expect(
        back
          .getChild('error')
          ?.getChildElements()
          .every((child) => child.getChildElements().length === 0),
      ).toBe(true);
      await siege.talk();
    },
    60_000,
  );

  it('nothing came of it at somebody else', () => {
    siege.unhurt();
    expect(siege.good.requests.unread).toHaveLength(0);
    expect(siege.pbx.requests.unread).toHaveLength(0);
  });
});
