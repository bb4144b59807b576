import fc from 'fast-check';
import { parse } from 'ltx';
import { describe, expect, expectTypeOf, it } from 'vitest';
import type { Stanza } from '../bridge/stanza.ts';
import type { Answer, Body, ExtraHeaders, InRequest, OutRequest } from '../sip/port.ts';
import {
  type PageAnswer,
  type PageReceived,
  type PageRequest,
  type ToMessageOptions,
  type ToStanzaOptions,
  toFailureNotice,
  toMessage,
  toStanza,
} from './page-message.ts';
import { stanzaFrom } from './stanza.fixture.ts';
import type { StanzaForm } from './stanza-xml.ts';

const now = '2026-11-22T10:00:00Z';
/** As much as the request has without what every request has. */
const size = ({ target, from, to, callId = '', headers, body }: PageRequest): number =>
  `${target}${from.uri}${to.uri}${callId}${headers.join('')}${body.type}`.length + body.content.length;
const plainly: ToMessageOptions = { size };
const withReceipts: ToMessageOptions = { size, receipts: { now } };

const sent = (xml: string, options = plainly): PageRequest => {
  const outcome = toMessage(stanzaFrom(xml), options);
  if (!outcome.ok) throw new Error(JSON.stringify(outcome));
  return outcome.request;
};
const refusal = (xml: string, options = plainly): string => {
  const outcome = toMessage(stanzaFrom(xml), options);
  if (outcome.ok) return 'sent';
  return outcome.nothing ? 'nothing' : outcome.reason;
};
const text = ({ body }: PageRequest): string => body.content.toString();

const message = (content: string, attributes = ''): string =>
  `<message from='juliet@example.com/yn0cl4bnw0yr3vym' to='romeo@example.net' id='m1'${attributes}>${content}</message>`;

const headersOf = (fields: Readonly<Record<string, string>>): { get(name: string): string | undefined } => {
  const known = new Map(Object.entries(fields).map(([name, value]) => [name.toLowerCase(), value]));
  return { get: (name) => known.get(name.toLowerCase()) };
};
const received = (body: Body | undefined, more: Partial<PageReceived> = {}): PageReceived => ({
  target: 'sip:juliet@example.com',
  from: { uri: 'sip:romeo@example.net;gr=dr4hcr0st3lup4c' },
  to: { uri: 'sip:juliet@example.com' },
  callId: '9E97FB43-85F4-4A00-8751-1124FD4C7B2E',
  headers: headersOf({}),
  body,
  ...more,
});
const plain = (content: string, type = 'text/plain'): Body => ({ type, content: Buffer.from(content) });
const delivered = (request: PageReceived, options?: ToStanzaOptions): StanzaForm => {
  const outcome = toStanza(request, 'id-1', options);
  if (!outcome.ok) throw new Error(JSON.stringify(outcome));
  return outcome.stanza;
};
const answered = (request: PageReceived, options?: ToStanzaOptions): PageAnswer => {
  const outcome = toStanza(request, 'id-1', options);
  if (outcome.ok) throw new Error(outcome.stanza.bytes.toString());
  return outcome.answer;
};
const bodyOf = (stanza: StanzaForm): string | null => parse(stanza.bytes.toString()).getChildText('body');

it('has the shapes of the seams on either side', () => {
  expectTypeOf<Stanza>().toExtend<StanzaForm>();
  expectTypeOf<StanzaForm>().toExtend<Stanza>();
  expectTypeOf<PageRequest>().toExtend<OutRequest>();
  expectTypeOf<PageRequest['headers']>().toExtend<ExtraHeaders>();
  expectTypeOf<InRequest>().toExtend<PageReceived>();
  expectTypeOf<PageAnswer>().toExtend<Answer>();
  const answer: Answer = answered(received(undefined));
  expect(answer.status).toBe(400);
});

describe('a message stanza', () => {
  it('becomes a MESSAGE (RFC 7572 §4)', () => {
    const xml = message('<body>Art thou not Romeo, and a Montague?</body><thread>711609sa</thread>', " xml:lang='en'");
    expect(sent(xml)).toEqual({
      method: 'MESSAGE',
      target: 'sip:romeo@example.net',
      from: { uri: 'sip:juliet@example.com;gr=yn0cl4bnw0yr3vym' },
      to: { uri: 'sip:romeo@example.net' },
      callId: '711609sa',
      headers: [['Content-Language', 'en']],
      body: { type: 'text/plain;charset=utf-8', content: Buffer.from('Art thou not Romeo, and a Montague?') },
    });
  });

  it.each(['normal', 'chat', 'headline'])('of type %s crosses', (type) => {
    expect(text(sent(message('<body>x</body>', ` type='${type}'`)))).toBe('x');
  });

  it('goes to the instance that its full JID names', () => {
    const { target, to } = sent("<message from='a@b.example' to='romeo@example.net/dr4'><body>x</body></message>");
    expect([target, to.uri]).toEqual(['sip:romeo@example.net;gr=dr4', 'sip:romeo@example.net;gr=dr4']);
  });

  it('carries subject, UTF-8 and line breaks as MIME writes them', () => {
    const request = sent(message('<subject>Hello\n there</subject><body>čau\nαβ &lt;&amp;&gt;</body>'));
    expect(request.headers).toEqual([['Subject', 'Hello  there']]);
    expect(text(request)).toBe('čau\r\nαβ <&>');
  });

  it('lets nothing of a subject break out of its header', () => {
    const { headers } = sent(message('<subject>a&#13;&#10;Evil: 1&#x85;b</subject><body>x</body>'));
    expect(headers).toEqual([['Subject', 'a Evil: 1 b']]);
  });

  it.each([
    [[], 'hello', 'en'],
    [['de'], 'hallo', 'de-AT'],
    [['fr', 'cs'], 'ahoj', 'cs'],
    [['pt'], 'hello', 'en'],
  ])('in several languages is sent in one: %j wanted', (languages, body, lang) => {
    const content =
      "<body xml:lang='de-AT'>hallo</body><body>hello</body><body xml:lang='cs'>ahoj</body>" +
      "<subject xml:lang='cs'>předmět</subject><subject>subject</subject>";
    const request = sent(message(content, " xml:lang='en'"), { size, languages });
    expect(text(request)).toBe(body);
    expect(request.headers).toContainEqual(['Content-Language', lang]);
    expect(request.headers).toContainEqual(['Subject', lang === 'cs' ? 'předmět' : 'subject']);
  });

  it('takes the first body where none is of its own language, and no language that is no tag', () => {
    expect(text(sent(message("<body xml:lang='cs'>ahoj</body><body xml:lang='de'>hallo</body>")))).toBe('ahoj');
    expect(sent(message('<body>x</body>', " xml:lang='e n'")).headers).toEqual([]);
  });

  it('never sends its XHTML-IM', () => {
    const html =
      "<html xmlns='http://jabber.org/protocol/xhtml-im'><body xmlns='http://www.w3.org/1999/xhtml'><b>x</b></body></html>";
    expect(text(sent(message(`${html}<body>x</body>`)))).toBe('x');
  });

  it('is refused above 1300 bytes of the whole request, or what the policy lets through', () => {
    expect(refusal(message(`<body>${'x'.repeat(1300)}</body>`))).toBe('page-too-long');
    expect(toMessage(stanzaFrom(message(`<body>${'x'.repeat(1300)}</body>`)), plainly)).toMatchObject({
      condition: 'policy-violation',
      type: 'modify',
    });
    expect(refusal(message('<body>x</body>'), { size: () => 1301 })).toBe('page-too-long');
    expect(refusal(message('<body>x</body>'), { size: () => 1300 })).toBe('sent');
    expect(refusal(message('<body>x</body>'), { size: () => 9000, limit: 10_000 })).toBe('sent');
  });

  it.each([
    ['group chat', message('<body>x</body>', " type='groupchat'"), 'groupchat-not-carried'],
    ['a subject alone', message('<subject>x</subject>'), 'page-without-text'],
    ['encrypted content alone', message("<encrypted xmlns='eu.siacs.conversations.axolotl'/>"), 'page-without-text'],
    ['an invitation', message("<x xmlns='jabber:x:conference' jid='r@x'/>"), 'page-without-text'],
    [
      'an address without a SIP form',
      "<message from='a@b.example' to='a\\5cb@c.example'><body>x</body></message>",
      'sip-address-none',
    ],
    ['no address', "<message from='a@b.example' to=''><body>x</body></message>", 'sip-address-none'],
  ])('with %s is refused, so that its sender knows', (_what, xml, reason) => {
    expect(refusal(xml)).toBe(reason);
  });

  it.each([
    ['nothing', message('')],
    ['an error', message('<body>x</body><error/>', " type='error'")],
    ['a chat state', message("<composing xmlns='http://jabber.org/protocol/chatstates'/><thread>t</thread>")],
    ['a receipt', message("<received xmlns='urn:xmpp:receipts' id='x'/>")],
    ['a chat marker', message("<displayed xmlns='urn:xmpp:chat-markers:0' id='x'/><store xmlns='urn:xmpp:hints'/>")],
    ['an event of PEP', message("<event xmlns='http://jabber.org/protocol/pubsub#event'/>", " type='headline'")],
    ['empty elements', message('<body/><subject/>')],
  ])('with %s carries nothing', (_what, xml) => {
    expect(refusal(xml)).toBe('nothing');
  });

  it('cannot be made to send bodies of other namespaces', () => {
    expect(refusal(message("<body xmlns='urn:x'>x</body>"))).toBe('page-without-text');
  });

  it('never throws, whatever text it holds', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'grapheme' }), (body, thread) => {
        const stanza = delivered(received(plain(body.length > 0 ? `x${body}` : 'x'), { callId: thread }));
        const outcome = toMessage(stanza, { size: () => 0 });
        expect(outcome.ok).toBe(true);
      }),
    );
  });
});

describe('a thread', () => {
  it.each([
    ['e0ffe42b28561960c6b12b944a092794b9683a38', 'e0ffe42b28561960c6b12b944a092794b9683a38'],
    ['a b\u00e9', 'b64-YSBiw6k'],
    ['evil\r\nFrom: x', 'b64-ZXZpbA0KRnJvbTogeA'],
    ['b64-YSBiw6k', 'b64-YjY0LVlTQml3Nms'],
  ])('%j is Call-ID %s, and read back where it comes back', (thread, callId) => {
    const request = sent(message(`<body>x</body><thread>${thread}</thread>`));
    expect(request.callId).toBe(callId);
    const back = delivered(received(plain('y'), { callId }));
    expect(parse(back.bytes.toString()).getChildText('thread')).toBe(thread);
  });

  it('of any length is a Call-ID of bounded length', () => {
    const { callId = '' } = sent(message(`<body>x</body><thread>${'t '.repeat(500)}</thread>`));
    expect(callId).toMatch(/^sha-[0-9a-f]{64}$/);
  });
});

describe('a MESSAGE', () => {
  it('becomes a message stanza (RFC 7572 §5)', () => {
    const headers = headersOf({ Subject: 'Hi & bye', 'Content-Language': 'en, cs' });
    const stanza = delivered(received(plain('Neither, fair saint, if either thee dislike.'), { headers }));
    expect(stanza.bytes.toString()).toBe(
      '<message from="romeo@example.net/dr4hcr0st3lup4c" to="juliet@example.com" id="id-1" xml:lang="en">' +
        '<subject>Hi &amp; bye</subject><body>Neither, fair saint, if either thee dislike.</body>' +
        '<thread>9E97FB43-85F4-4A00-8751-1124FD4C7B2E</thread></message>',
    );
    expect(stanza).toMatchObject({ name: 'message', type: '', id: 'id-1', childName: 'subject', children: 3 });
  });

  it('goes where its Request-URI says, to the instance too', () => {
    const stanza = delivered(
      received(plain('x'), { target: 'sip:juliet@example.com;gr=balcony', to: { uri: 'sip:other@example.com' } }),
    );
    expect(stanza.to).toBe('juliet@example.com/balcony');
  });

  it('comes from the instance that stands as a header parameter', () => {
    const headers = headersOf({ From: '"R" <sip:romeo@example.net>;gr=orchard;tag=1' });
    expect(delivered(received(plain('x'), { headers, from: { uri: 'sip:romeo@example.net' } })).from).toBe(
      'romeo@example.net/orchard',
    );
  });

  it('comes from a number', () => {
    const request = received(plain('x'), { from: { uri: 'tel:+49-30-123' } });
    expect(delivered(request, { numbersAt: 'gw.example' }).from).toBe('+4930123@gw.example');
  });

  it('has its body made fit for XML, and cannot break out of it', () => {
    const stanza = delivered(received(plain('a\r\nb\0\u000b<c/>&]]>"\ufffe\rd')));
    expect(bodyOf(stanza)).toBe('a\nb<c/>&]]>"\nd');
    expect(parse(stanza.bytes.toString()).getChildElements()).toHaveLength(2);
  });

  it.each([
    ['UTF-8 by default', plain('čau'), 'čau'],
    ['UTF-8 by name', plain('čau', 'Text/Plain; Charset="UTF-8"'), 'čau'],
    ['US-ASCII', plain('hi', 'text/plain;charset=us-ascii'), 'hi'],
    ['Latin-1', { type: 'text/plain;charset=ISO-8859-1', content: Buffer.from('fünf', 'latin1') }, 'fünf'],
    ['HTML', plain('<p>Ciao &amp; <b>bye</b></p><script>x</script>', 'text/html'), 'Ciao & bye'],
  ])('in %s is read', (_what, body, read) => {
    expect(bodyOf(delivered(received(body)))).toBe(read);
  });

  it.each([
    ['no body', undefined, 400],
    ['an empty body', plain(''), 400],
    ['white space alone', plain(' \r\n'), 400],
    ['octets that are no UTF-8', { type: 'text/plain', content: Buffer.from([0x61, 0xff]) }, 400],
    ['another charset', plain('x', 'text/plain;charset=koi8-r'), 415],
    ['an image', plain('x', 'image/png'), 415],
    ['a typing notice', plain('<isComposing/>', 'application/im-iscomposing+xml'), 415],
    ['an IMDN where none is agreed', plain('<imdn/>', 'message/imdn+xml'), 415],
    ['no media type', plain('x', ''), 415],
    ['broken CPIM', plain('x', 'message/cpim'), 400],
    ['a multipart body nobody splits', plain('x', 'multipart/mixed;boundary=b'), 400],
  ])('with %s is answered truthfully', (_what, body, status) => {
    const answer = answered(received(body));
    expect(answer.status).toBe(status);
    if (status === 415) expect(answer.headers).toEqual([['Accept', expect.stringContaining('text/plain')]]);
  });

  it('in an encoding is refused with what is taken', () => {
    const answer = answered(received(plain('x'), { headers: headersOf({ 'Content-Encoding': 'gzip' }) }));
    expect(answer).toMatchObject({ status: 415, headers: [['Accept-Encoding', 'identity']] });
  });

  it.each([
    ['sips as Request-URI', { target: 'sips:juliet@example.com' }, 480],
    ['sips in To', { to: { uri: 'SIPS:juliet@example.com' } }, 480],
    ['another scheme', { target: 'mailto:juliet@example.com' }, 416],
    ['a target that is nobody', { target: 'sip:%00@example.com' }, 404],
    ['a From that is nobody', { from: { uri: 'sip:%FF@example.net' } }, 400],
    ['a number where none live', { target: 'tel:+4930123' }, 404],
  ])('with %s is refused', (_what, more, status) => {
    expect(answered(received(plain('x'), more)).status).toBe(status);
  });

  it('by sips crosses under an agreement alone', () => {
    const request = received(plain('x'), { target: 'sips:juliet@example.com' });
    expect(answered(request).headers).toEqual([['Warning', '380 drawbridge "SIPS Not Allowed"']]);
    expect(delivered(request, { sips: true }).to).toBe('juliet@example.com');
  });

  it('of several parts is read by its plain text, else its HTML', () => {
    const split = (body: Body): Body[] | undefined =>
      body.content.toString() === 'bad'
        ? undefined
        : body.content.toString() === 'deep'
          ? [plain('deep', 'multipart/mixed')]
          : [
              plain('<b>html</b>', 'text/html'),
              ...(body.type === 'multipart/mixed' ? [] : [plain('both', 'multipart/mixed'), plain('plain')]),
              plain('png', 'image/png'),
            ];
    expect(bodyOf(delivered(received(plain('both', 'multipart/alternative;boundary=b')), { parts: split }))).toBe(
      'plain',
    );
    expect(bodyOf(delivered(received(plain('both', 'multipart/mixed')), { parts: split }))).toBe('html');
    expect(answered(received(plain('bad', 'multipart/mixed')), { parts: split }).status).toBe(400);
    expect(answered(received(plain('deep', 'multipart/mixed')), { parts: split }).status).toBe(415);
    expect(answered(received(plain('x', 'multipart/mixed')), { parts: () => [] }).status).toBe(415);
    const many = Array.from({ length: 33 }, () => plain('x'));
    expect(answered(received(plain('x', 'multipart/mixed')), { parts: () => many }).status).toBe(400);
  });

  it('wrapped in CPIM is unwrapped, whatever it says of its sender', () => {
    const wrapped =
      'From: MR SANDERS <im:piglet@100akerwood.com>\r\nTo: x <im:eeyore@100akerwood.com>\r\nSubject:;lang=fr beau\\u00e9\r\n\r\n' +
      'Content-type: text/plain; charset=utf-8\r\nContent-Length: 5\r\n\r\nHelloXX';
    const stanza = delivered(received(plain(wrapped, 'message/cpim')));
    expect(stanza.from).toBe('romeo@example.net/dr4hcr0st3lup4c');
    expect(bodyOf(stanza)).toBe('Hello');
    expect(parse(stanza.bytes.toString()).getChildText('subject')).toBe('beaué');
  });
});

describe('receipts', () => {
  const asking = message("<body>Hello World</body><request xmlns='urn:xmpp:receipts'/>");

  it('are asked for by CPIM where the partner answers them (RFC 5438 §7.1.1)', () => {
    const request = sent(asking, withReceipts);
    expect(request.body.type).toBe('message/cpim');
    expect(text(request)).toBe(
      'From: <sip:juliet@example.com;gr=yn0cl4bnw0yr3vym>\r\nTo: <sip:romeo@example.net>\r\n' +
        `DateTime: ${now}\r\nNS: imdn <urn:ietf:params:imdn>\r\nimdn.Message-ID: m1\r\n` +
        'imdn.Disposition-Notification: positive-delivery, negative-delivery\r\n\r\n' +
        'Content-Type: text/plain;charset=utf-8\r\nContent-Length: 11\r\n\r\nHello World',
    );
    expect(sent(asking).body.type).toBe('text/plain;charset=utf-8');
  });

  it('are given up before the message is', () => {
    const long = message(`<body>${'x'.repeat(1000)}</body><request xmlns='urn:xmpp:receipts'/>`);
    expect(sent(long, withReceipts).body.type).toBe('text/plain;charset=utf-8');
  });

  const imdn = (status: string, id = 'm1'): Body =>
    plain(
      'From: Bob <im:bob@example.com>\r\nTo: Alice <im:alice@example.com>\r\nNS: imdn <urn:ietf:params:imdn>\r\nimdn.Message-ID: d834jied93rf\r\n\r\n' +
        'Content-type: message/imdn+xml\r\nContent-Disposition: notification\r\n\r\n' +
        `<?xml version="1.0" encoding="UTF-8"?>\n<imdn xmlns="urn:ietf:params:xml:ns:imdn"><message-id>${id}</message-id>` +
        '<datetime>2008-04-04T12:16:49-05:00</datetime><recipient-uri>im:bob@example.com</recipient-uri>' +
        `${status}</imdn>`,
      'message/cpim',
    );

  it('come back as XEP-0184', () => {
    const body = imdn('<delivery-notification><status><delivered/></status></delivery-notification>');
    const stanza = delivered(received(body), { receipts: true });
    expect(stanza.bytes.toString()).toBe(
      '<message from="romeo@example.net/dr4hcr0st3lup4c" to="juliet@example.com" id="id-1"><received xmlns="urn:xmpp:receipts" id="m1"/></message>',
    );
    expect(stanza).toMatchObject({ childName: 'received', childNamespace: 'urn:xmpp:receipts', children: 1 });
  });

  it('come back to ids that SIP could not carry', () => {
    const odd = asking.replace("id='m1'", "id='a b/é'");
    const { groups } = /imdn\.Message-ID: (?<id>\S+)\r\n/.exec(text(sent(odd, withReceipts))) ?? {};
    const body = imdn('<delivery-notification><status><delivered/></status></delivery-notification>', groups?.id);
    const stanza = delivered(received(body), { receipts: true });
    expect(parse(stanza.bytes.toString()).getChild('received', 'urn:xmpp:receipts')?.attrs.id).toBe('a b/é');
  });

  it('of a failure come back as the error of the message', () => {
    const body = imdn('<delivery-notification><status><failed/></status></delivery-notification>');
    const stanza = delivered(received(body), { receipts: true });
    expect(stanza).toMatchObject({
      type: 'error',
      id: 'm1',
      from: 'romeo@example.net/dr4hcr0st3lup4c',
      to: 'juliet@example.com',
    });
    expect(stanza.bytes.toString()).toContain('<recipient-unavailable');
  });

  it('that say nothing of the delivery are answered and dropped', () => {
    const displayed = imdn('<display-notification><status><displayed/></status></display-notification>');
    expect(answered(received(displayed), { receipts: true }).status).toBe(200);
    const forbidden = imdn('<delivery-notification><status><forbidden/></status></delivery-notification>');
    expect(answered(received(forbidden), { receipts: true }).status).toBe(200);
    expect(answered(received(plain('<x/>', 'message/imdn+xml')), { receipts: true }).status).toBe(400);
  });

  const askingCpim = (disposition: string): Body =>
    plain(
      'From: Alice <im:alice@example.com>\r\nTo: Bob <im:bob@example.com>\r\nNS: MyI <urn:ietf:params:imdn>\r\n' +
        `DateTime: 2006-04-04T12:16:49-05:00\r\nMyI.Message-ID: 34jk324j\r\nMyI.Disposition-Notification: ${disposition}\r\n\r\n` +
        'Content-type: text/plain\r\nContent-length: 11\r\n\r\nHello World',
      'message/cpim',
    );

  it('asked by SIP are asked by XEP-0184, and the answer finds back without any memory', () => {
    const stanza = delivered(received(askingCpim('positive-delivery, negative-delivery')), { receipts: true });
    expect(parse(stanza.bytes.toString()).getChild('request', 'urn:xmpp:receipts')).toBeDefined();
    expect(stanza.id.startsWith('id-1')).toBe(true);

    const receipt = `<message from='juliet@example.com/b' to='romeo@example.net/d' id='r'><received xmlns='urn:xmpp:receipts' id='${stanza.id}'/></message>`;
    const request = sent(receipt, withReceipts);
    expect(request.target).toBe('sip:romeo@example.net;gr=d');
    expect(request.body.type).toBe('message/cpim');
    expect(text(request)).toContain('Content-Type: message/imdn+xml\r\nContent-Disposition: notification\r\n');
    const xml = parse(text(request).slice(text(request).indexOf('<imdn')));
    expect(xml.getChildText('message-id')).toBe('34jk324j');
    expect(xml.getChildText('datetime')).toBe('2006-04-04T12:16:49-05:00');
    expect(xml.getChildText('recipient-uri')).toBe('sip:juliet@example.com;gr=b');
    expect(xml.getChild('delivery-notification')?.getChild('status')?.getChild('delivered')).toBeDefined();
    expect(refusal(receipt)).toBe('nothing');

    const error = stanzaFrom(
      `<message type='error' from='juliet@example.com' to='romeo@example.net/d' id='${stanza.id}'><error/></message>`,
    );
    const notice = toFailureNotice(error, withReceipts);
    expect(notice.ok && text(notice.request)).toContain('<failed/>');
  });

  it('are asked of nobody where SIP asks for failures alone, or for none', () => {
    const failures = delivered(received(askingCpim('negative-delivery')), { receipts: true });
    expect(failures.bytes.includes('receipts')).toBe(false);
    expect(failures.id).not.toBe('id-1');
    expect(delivered(received(askingCpim('display')), { receipts: true }).id).toBe('id-1');
    expect(delivered(received(askingCpim('positive-delivery'))).id).toBe('id-1');
  });

  it('for what nobody asked for go nowhere', () => {
    const forged = (id: string): string => message(`<received xmlns='urn:xmpp:receipts' id='${id}'/>`);
    for (const id of ['x', 'x.imdn-', 'x.imdn-AAAA', `x.imdn-${Buffer.from('d now a\r\nb').toString('base64url')}`]) {
      expect(refusal(forged(id), withReceipts)).toBe('nothing');
    }
    const error = stanzaFrom(message('<error/>', " type='error'"));
    expect(toFailureNotice(error, withReceipts)).toEqual({ ok: false, nothing: true });
  });
});
