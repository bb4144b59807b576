import { describe, expect, it } from 'vitest';
import { Headers } from '../message/headers.ts';
import { SipRequest } from '../message/message.ts';
import { respondTo, tagged } from '../transaction/response.ts';
import { Dialog } from './dialog.ts';

const invite = (...fields: [string, string][]): SipRequest =>
  new SipRequest(
    'INVITE',
    'sip:bob@b.example',
    new Headers([
      ['From', '"Alice" <sip:alice@a.example>;tag=alice'],
      ['To', '<sip:bob@b.example>'],
      ['Call-ID', 'call'],
      ['CSeq', '7 INVITE'],
      ...fields,
    ]),
  );

/** The caller's side, by a response with these headers. */
function caller(...fields: [string, string][]): Dialog {
  const request = invite();
  const response = tagged(respondTo(request, 200), 'bob');
  for (const [name, value] of fields) response.headers.append(name, value);
  return Dialog.ofResponse(request, response, undefined);
}

function callee(...fields: [string, string][]): Dialog {
  return Dialog.ofRequest(invite(...fields), 'bob', undefined);
}

describe('a dialog', () => {
  it('of the caller has From and To as they were, and counts on', () => {
    const dialog = caller(['Contact', '<sip:bob@desk.b.example>']);
    const { uri, headers } = dialog.request('BYE');
    expect(uri).toBe('sip:bob@desk.b.example');
    expect([...headers]).toEqual([
      ['Max-Forwards', '70'],
      ['From', '"Alice" <sip:alice@a.example>;tag=alice'],
      ['To', '<sip:bob@b.example>;tag=bob'],
      ['Call-ID', 'call'],
      ['CSeq', '8 BYE'],
    ]);
    expect(dialog.request('INFO').cseq.number).toBe(9);
    expect(dialog.ack(7).headers.get('CSeq')).toBe('7 ACK');
    expect(dialog.initiator).toBe(true);
  });

  it('of who is called has them the other way round, and a number of its own', () => {
    const dialog = callee(['Contact', '<sip:alice@desk.a.example>']);
    const { uri, headers } = dialog.request('BYE');
    expect(uri).toBe('sip:alice@desk.a.example');
    expect(headers.get('From')).toBe('<sip:bob@b.example>;tag=bob');
    expect(headers.get('To')).toBe('"Alice" <sip:alice@a.example>;tag=alice');
    expect(headers.get('CSeq')).toBe('1 BYE');
    expect(dialog.remote).toEqual({ uri: 'sip:alice@a.example', display: 'Alice' });
    expect(dialog.initiator).toBe(false);
  });

  it('takes numbers of the peer that do not fall', () => {
    const dialog = callee();
    expect([7, 9, 8, 9, 10].map((number) => dialog.receive(number))).toEqual([true, true, false, true, true]);
  });

  it.each<[string, string | undefined, string]>([
    ['another Contact', '<sip:bob@laptop.b.example>', 'sip:bob@laptop.b.example'],
    ['none', undefined, 'sip:bob@desk.b.example'],
    ['one that is no SIP URI', '<mailto:bob@b.example>', 'sip:bob@desk.b.example'],
    ['one that cannot be read', '<sip:bob', 'sip:bob@desk.b.example'],
  ])('moves its target by %s', (_what, contact, target) => {
    const dialog = caller(['Contact', '<sip:bob@desk.b.example>']);
    const refresh = respondTo(invite(), 200);
    if (contact !== undefined) refresh.headers.append('Contact', contact);
    dialog.refresh(refresh);
    expect(dialog.request('BYE').uri).toBe(target);
  });
});

describe('the route set', () => {
  const first = '<sip:p1.example;lr>';
  const second = '"Proxy, the second" <sip:p2.example;lr>';
  const strict = '<sip:p0.example;transport=tls?Subject=x>;hidden=1';
  const contact: [string, string] = ['Contact', '<sip:peer@desk.example>'];
  const route = (dialog: Dialog): { uri: string; routes: readonly string[] } => {
    const { uri, headers } = dialog.request('BYE');
    return { uri, routes: headers.all('Route') };
  };

  it.each([
    ['loose routers keep the target', [first, second], { uri: 'sip:peer@desk.example', routes: [first, second] }],
    [
      'a strict router takes its place, and the target comes last',
      [strict, first],
      { uri: 'sip:p0.example;transport=tls', routes: [first, '<sip:peer@desk.example>'] },
    ],
    [
      'a strict router further on is its own matter',
      [first, strict],
      { uri: 'sip:peer@desk.example', routes: [first, strict] },
    ],
    [
      'one that cannot be read is passed on',
      ['sip:p1.example broken', first],
      { uri: 'sip:peer@desk.example', routes: ['sip:p1.example broken', first] },
    ],
    ['none leads straight there', [], { uri: 'sip:peer@desk.example', routes: [] }],
  ])('%s', (_rule, routes, led) => {
    const recorded = (order: readonly string[]): [string, string][] => order.map((one) => ['Record-Route', one]);
    expect(route(callee(contact, ...recorded(routes)))).toEqual(led);
    expect(route(caller(contact, ...recorded(routes.toReversed())))).toEqual(led);
  });

  it('is that of the 2xx once it is in, and stays at every refresh', () => {
    const dialog = caller(['Record-Route', first], contact);
    const response = respondTo(invite(), 200);
    response.headers.append('Record-Route', `${first}, ${second}`);
    dialog.confirm(response);
    expect(route(dialog).routes).toEqual([second, first]);
    const later = respondTo(invite(), 200);
    later.headers.append('Record-Route', strict);
    dialog.refresh(later);
    expect(route(dialog).routes).toEqual([second, first]);
  });
});
