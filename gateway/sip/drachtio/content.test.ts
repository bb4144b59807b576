import { describe, expect, it } from 'vitest';
import { SipRequest, SipResponse } from '../message/message.ts';
import { requestContent, responseContent } from './content.ts';

function message(headers: readonly (readonly [string, string])[] = [], body = ''): SipRequest {
  const request = new SipRequest('MESSAGE', 'sip:bob@p.example');
  for (const [name, value] of [['From', '<sip:a@h.example>;tag=1'], ...headers] as const)
    request.headers.append(name, value);
  request.body = Buffer.from(body);
  return request;
}

describe('what drachtio-srf would write as it is given', () => {
  it.each([
    ['a line end in a value', message([['Subject', 'x\r\nX-Evil: 1']])],
    ['a bare LF', message([['Subject', 'x\nX-Evil: 1']])],
    ['NUL', message([['Subject', 'x\0']])],
    ['a line end in a name', message([['X-A: 1\r\nX-Evil', '1']])],
    ['a space in the URI', Object.assign(message(), { uri: 'sip:bob@p.example SIP/2.0' })],
    ['a line end in the URI', Object.assign(message(), { uri: 'sip:bob@p.example\r\n' })],
    ['a method that is none', Object.assign(message(), { method: 'MESSAGE x' })],
    ['a body that is no text', Object.assign(message(), { body: Buffer.from([0xff, 0xfe]) })],
    ['NUL in a body', message([], 'a\0b')],
  ])('is refused: %s', (_case, request) => {
    expect(() => requestContent(request, {})).toThrow(expect.objectContaining({ code: 'sip-unsendable' }));
  });

  it('is refused in a reason phrase', () => {
    expect(() => responseContent(new SipResponse(486, 'Busy\r\nX-Evil: 1'))).toThrow(
      expect.objectContaining({ code: 'sip-unsendable' }),
    );
  });

  it('is refused past what the server reads in one piece, lest it end the connection of all calls', () => {
    expect(() => requestContent(message([], 'x'.repeat(98_000)), {})).toThrow(
      expect.objectContaining({ code: 'sip-too-big' }),
    );
    expect(requestContent(message([], 'x'.repeat(97_000)), {}).body).toHaveLength(97_000);
  });
});

it('a request out of dialog keeps who it is from, and where it goes first', () => {
  const content = requestContent(
    message(
      [
        ['Warning', '399 a "x"'],
        ['warning', '399 b "y"'],
      ],
      'grüß 🦆',
    ),
    {
      proxy: 'sip:192.0.2.7:5061;transport=tls',
    },
  );
  expect(content).toMatchObject({
    method: 'MESSAGE',
    uri: 'sip:bob@p.example',
    proxy: 'sip:192.0.2.7:5061;transport=tls',
    body: 'grüß 🦆',
  });
  expect({ ...content.headers }).toEqual({ from: '<sip:a@h.example>;tag=1', warning: '399 a "x", 399 b "y"' });
});

it('what begins gets its sequence number from the server, what is repeated keeps ours', () => {
  expect(Object.keys(requestContent(message([['CSeq', '1 MESSAGE']]), {}).headers ?? {})).toEqual(['from']);
  expect({ ...requestContent(message([['CSeq', '12 MESSAGE']]), {}).headers }).toMatchObject({ cseq: '12 MESSAGE' });
});

it('a request within a dialog leaves that to the server', () => {
  const content = requestContent(
    message([
      ['Via', 'x'],
      ['CSeq', '1 MESSAGE'],
      ['Subject', 's'],
    ]),
    { dialogId: 'd' },
  );
  expect(content).toMatchObject({ method: 'MESSAGE', stackDialogId: 'd' });
  expect(content.uri).toBeUndefined();
  expect({ ...content.headers }).toEqual({ subject: 's' });
});

it('a next hop that would end the line of the server is refused', () => {
  for (const proxy of ['sip:a|b', 'sip:a\r\nx', 'sip:a b'])
    expect(() => requestContent(message(), { proxy })).toThrow(expect.objectContaining({ code: 'sip-unsendable' }));
});

it('a header called like the prototype is a header', () => {
  const { headers = {} } = requestContent(message([['__proto__', 'x']]), {});
  expect(Object.keys(headers)).toContain('__proto__');
  expect(Object.getPrototypeOf(headers)).toBeNull();
});
