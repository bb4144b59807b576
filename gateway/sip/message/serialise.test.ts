import { describe, expect, test } from 'vitest';
import { Headers } from './headers.ts';
import { SipRequest, SipResponse } from './message.ts';
import { serialise } from './serialise.ts';

test('a request and its body are written, with the length of the body in octets', () => {
  const headers = new Headers([
    ['Content-Length', '99'],
    ['s', 'Grüße'],
    ['X-Own', ''],
  ]);
  const bytes = serialise(new SipRequest('MESSAGE', 'sip:a@b', headers, Buffer.from('ü')));
  expect(bytes.toString()).toBe('MESSAGE sip:a@b SIP/2.0\r\nSubject: Grüße\r\nX-Own: \r\nContent-Length: 2\r\n\r\nü');
});

test('a response is written', () => {
  expect(serialise(new SipResponse(486, 'Besetzt – später')).toString()).toBe(
    'SIP/2.0 486 Besetzt – später\r\nContent-Length: 0\r\n\r\n',
  );
});

describe('what would break a message is refused', () => {
  const refused = expect.objectContaining({ code: 'sip-unsendable' });
  const ends = ['a\rb', 'a\nb', 'a\r\nX: y', 'a\0b'];

  test.each(ends)('%j in a value', (value) => {
    expect(() => serialise(new SipRequest('INVITE', 'sip:a', new Headers([['Subject', value]])))).toThrow(refused);
  });

  test.each([...ends, '', 'a b', 'a:b'])('%j as a name', (name) => {
    expect(() => serialise(new SipRequest('INVITE', 'sip:a', new Headers([[name, 'x']])))).toThrow(refused);
  });

  test.each([...ends, '', 'sip:a b', '<sip:a>', 'sip:ä'])('%j as a Request-URI', (uri) => {
    expect(() => serialise(new SipRequest('INVITE', uri))).toThrow(refused);
  });

  test.each([...ends, '', 'IN VITE', 'SIP/2.0'])('%j as a method', (method) => {
    expect(() => serialise(new SipRequest(method, 'sip:a'))).toThrow(refused);
  });

  test.each(ends)('%j as a reason phrase', (reason) => {
    expect(() => serialise(new SipResponse(200, reason))).toThrow(refused);
  });

  test.each([0, 99, 700, 200.5, Number.NaN])('%d as a status', (status) => {
    expect(() => serialise(new SipResponse(status, 'x'))).toThrow(refused);
  });
});
