import { describe, expect, test } from 'vitest';
import { parseContentType } from '../content-type.ts';
import { type SipMessage, SipRequest } from '../message.ts';
import { bodyParts } from '../multipart.ts';
import { parseNameAddress, tagOf } from '../name-address.ts';
import { contentLength, parseHead, parseMessage } from '../parse.ts';
import { serialise } from '../serialise.ts';
import { syntaxFault } from '../syntax.ts';
import { decodeUser, parseUri } from '../uri.ts';
import { parseVia } from '../via.ts';
import { invalidMessages } from './invalid.fixture.ts';
import { ipv6Messages } from './ipv6.fixture.ts';
import { layerMessages } from './layers.fixture.ts';
import { soundResponses } from './responses.fixture.ts';
import { expanded, type Outcome, type TortureMessage } from './torture-message.fixture.ts';
import { validMessages } from './valid.fixture.ts';

const rfc4475 = [...validMessages, ...invalidMessages, ...soundResponses, ...layerMessages];
const all = [...rfc4475, ...ipv6Messages];

describe.each([
  ['RFC 4475', rfc4475, 49],
  ['RFC 5118', ipv6Messages, 12],
] as const)('%s', (_, messages, count) => {
  test('is here in full', () => {
    expect(new Set(messages.map(({ id }) => id)).size).toBe(count);
  });

  test.each(messages)('$section $id is $expected: $why', ({ text, expected }) => {
    expect(outcomeOf(expanded(text))).toBe(expected);
  });
});

test('what is sound reads the same after it was written', () => {
  const sound = all.filter(({ expected }) => expected === 'sound');
  expect(sound.length).toBeGreaterThan(30);
  for (const { id } of sound) {
    const message = messageOf(id);
    const again = read(serialise(message));
    expect(fields(again)).toEqual(fields(message));
    expect(again.body.equals(message.body)).toBe(true);
  }
});

test('wsinv: every value is there without its folds', () => {
  const message = request('wsinv');
  expect(message.to).toMatchObject({ display: '', uri: 'sip:vivekg@chair-dnrc.example.com' });
  expect(tagOf(message.to)).toBe('1918181833n');
  expect(message.from).toMatchObject({ display: 'J Rosenberg \\"', uri: 'sip:jdrosen@example.com' });
  expect(tagOf(message.from)).toBe('98asjd8');
  expect(message.maxForwards).toBe(68);
  expect(message.cseq).toEqual({ number: 9, method: 'INVITE' });
  expect(message.headers.get('Subject')).toBe('');
  expect(message.headers.get('NewFangledHeader')).toBe('newfangled value continued newfangled value');
  expect(message.headers.all('UnknownHeaderWithUnusualValue')).toEqual([';;,,;;,;']);
  const vias = message.headers.all('Via').map(parseVia);
  expect(vias.map(({ transport, host, branch }) => [transport, host, branch])).toEqual([
    ['UDP', '192.0.2.2', '390skdjuw'],
    ['TCP', 'spindle.example.com', 'z9hG4bK9ikj8'],
    ['UDP', '192.168.255.111', 'z9hG4bK30239'],
  ]);
  expect(message.contact?.display).toBe('Quoted string ""');
  expect([...(message.contact?.params ?? [])]).toEqual([
    ['newparam', 'newvalue'],
    ['secondparam', ''],
    ['q', '0.33'],
  ]);
});

test('intmeth: every legal character is kept, but NUL, which nothing sends on', () => {
  const message = request('intmeth');
  expect(message.method).toBe("!interesting-Method0123456789_*+`.%indeed'~");
  expect(message.cseq.method).toBe(message.method);
  const { user, password, host } = parseUri(message.uri) ?? {};
  expect(user).toBe("1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*");
  expect(password).toBe("&it+has=1,weird!*pas$wo~d_too.(doesn't-it)");
  expect(host).toBe('example.com');
  expect(message.to.display).toBe('BEL:\x07 NUL:  DEL:\x7f');
  expect(message.from.display).toBe("token1~` token2'+_ token3*%!.-");
  expect(message.from.params.get("fromparam''~+*_!.-%")).toBe('работающий');
  expect(tagOf(message.from)).toBe("_token~1'+`*%!-.");
  expect(message.callId).toBe('intmeth.word%ZK-!.*_+\'@word`~)(><:\\/"][?}{');
  expect(message.headers.get("EXTENSIONHEADER-!.%*+_`'~")).toBe('\ufeff大停電');
});

test('esc01, escnull, esc02, semiuri: escapes mean what they stand for in URIs, and nothing elsewhere', () => {
  expect(userOf(request('esc01').uri)).toBe('sips:user@example.com');
  expect(userOf(request('esc01').to.uri)).toBe('user');
  expect(userOf(request('esc01').from.uri)).toBe('I have spaces');
  expect(
    request('escnull')
      .headers.all('Contact')
      .map(parseNameAddress)
      .map(({ uri }) => userOf(uri)),
  ).toEqual(['\0', '\0\0']);
  expect(userOf(request('escnull').to.uri)).toBe('null-\0-null');
  expect(request('esc02').method).toBe('RE%47IST%45R');
  expect(request('esc02').to.display).toBe('%Z%45');
  expect(request('esc02').headers.all('Contact')).toHaveLength(2);
  expect(request('esc02').headers.get('C%6Fntact')).toBe('<sip:alias2@host2.example.com>');
  expect(userOf(request('semiuri').uri)).toBe('user;par=u@example.net');
  expect(request('semiuri').headers.all('Accept')).toHaveLength(6);
});

test('longreq: its names and values are whole', () => {
  const message = request('longreq');
  expect(message.headers.all('Via')).toHaveLength(34);
  expect(message.topVia.branch).toBe('');
  expect(tagOf(message.from)).toBe(`12${'982'.repeat(50)}424`);
  expect(message.from.params.size).toBe(3);
  expect(parseUri(message.to.uri)?.params.get('unknownparam1')).toBe(`very${'long'.repeat(20)}value`);
});

test('dblreq: what is behind the first message is the second', () => {
  const rest = expanded(textOf('dblreq'));
  const second = rest.subarray(rest.indexOf('\r\n\r\n') + 6);
  const message = read(second);
  expect(message).toMatchObject({ kind: 'request', method: 'INVITE' });
  expect(message.body).toHaveLength(150);
});

test('mpart01: the parts are whole, octet by octet', () => {
  const message = request('mpart01');
  const parts = bodyParts(message.headers.get('Content-Type') ?? '', message.body);
  expect(parts.map(({ type, content }) => [type, content.length])).toEqual([
    ['text/plain', 5],
    ['application/octet-stream', 342],
  ]);
  expect(parts[0]?.content.toString()).toBe('Hello');
  expect(parts[1]?.headers.get('content-transfer-encoding')).toBe('binary');
  expect(parts[1]?.content.subarray(0, 4).toString('hex')).toBe('30820152');
});

test('unreason, noreason: the reason phrase is what is there', () => {
  expect(messageOf('unreason')).toMatchObject({
    status: 200,
    reason: '= 2**3 * 5**2 но сто девяносто девять - простое',
  });
  expect(messageOf('noreason')).toMatchObject({ status: 100, reason: '' });
});

test('the layers above read what they decide on', () => {
  expect(request('bext01').headers.all('Require')).toEqual(['nothingSupportsThis', 'nothingSupportsThisEither']);
  expect(request('zeromf').maxForwards).toBe(0);
  expect(parseContentType(request('invut').headers.get('Content-Type') ?? '')?.type).toBe('application/unknownformat');
  expect(request('sdp01').headers.all('Accept')).toEqual(['text/nobodyKnowsThis']);
  expect(
    request('transports')
      .headers.all('Via')
      .map(parseVia)
      .map(({ transport }) => transport),
  ).toEqual(['UDP', 'SCTP', 'TLS', 'UNKNOWN', 'TCP']);
  expect(parseUri(request('novelsc').uri)).toBeUndefined();
  expect(request('unksm2').to.uri).toBe('isbn:2983792873');
});

test('cparam01, cparam02, regescrt: brackets tell what is of the URI', () => {
  expect(request('cparam01').contact).toEqual({
    display: '',
    uri: 'sip:+19725552222@gw1.example.net',
    params: new Map([['unknownparam', '']]),
  });
  expect(request('cparam02').contact).toEqual({
    display: '',
    uri: 'sip:+19725552222@gw1.example.net;unknownparam',
    params: new Map(),
  });
  expect(parseUri(request('regescrt').contact?.uri ?? '')?.headers).toBe('Route=%3Csip:sip.example.com%3E');
});

test('inv2543: with a length it is sound, as RFC 3261 tells to take what RFC 2543 wrote', () => {
  const text = textOf('inv2543').replace('\n\n', '\nContent-Length: 105\n\n');
  const message = read(expanded(text));
  expect(syntaxFault(message)).toBeUndefined();
  expect(tagOf(message.from)).toBe('');
});

test('IPv6: hosts and ports are divided at the bracket, and three colons are two', () => {
  expect(parseUri(request('port-ambiguous').uri)).toMatchObject({ host: '[2001:db8::10:5070]', port: undefined });
  expect(parseUri(request('port-unambiguous').uri)).toMatchObject({ host: '[2001:db8::10]', port: 5070 });
  expect(parseUri(request('ipv6-bug-abnf-3-colons').uri)?.host).toBe('[2001:db8::192.0.2.1]');
  expect(request('ipv4-mapped-ipv6').topVia).toMatchObject({ host: '[::ffff:192.0.2.10]', port: 19823 });
  expect(request('via-received-param-with-delim').topVia.params.get('received')).toBe('[2001:db8::9:255]');
  expect(request('via-received-param-no-delim').topVia.params.get('received')).toBe('2001:db8::9:255');
});

/** What becomes of a message at the head of a stream. */
function outcomeOf(octets: Buffer): Outcome {
  let length: number;
  const { head, rest } = divided(octets);
  try {
    length = contentLength(parseHead(head));
  } catch {
    return 'undelimited';
  }
  if (rest.length < length) return 'incomplete';
  const message = parseMessage(head, rest.subarray(0, length));
  const fault = syntaxFault(message);
  if (fault === undefined) return 'sound';
  return message.kind === 'response' ? 'dropped' : (fault.status as Outcome);
}

function messageOf(id: string): SipMessage {
  return read(expanded(textOf(id)));
}

function request(id: string): SipRequest {
  const message = messageOf(id);
  if (!(message instanceof SipRequest)) throw new Error(`${id} is no request`);
  return message;
}

function read(octets: Buffer): SipMessage {
  const { head, rest } = divided(octets);
  return parseMessage(head, rest.subarray(0, contentLength(parseHead(head))));
}

function divided(octets: Buffer): { head: Buffer; rest: Buffer } {
  const end = octets.indexOf('\r\n\r\n');
  return { head: octets.subarray(0, end), rest: octets.subarray(end + 4) };
}

function textOf(id: string): string {
  const found: TortureMessage | undefined = all.find((message) => message.id === id);
  if (found === undefined) throw new Error(`There is no ${id}`);
  return found.text;
}

function userOf(uri: string): string | undefined {
  return decodeUser(parseUri(uri)?.user ?? '');
}

function fields(message: SipMessage): (readonly [string, string])[] {
  return [...message.headers].filter(([name]) => name !== 'Content-Length');
}
