import { describe, expect, it, test } from 'vitest';
import { Headers } from '../message/headers.ts';
import {
  isPrivacyUnmet,
  type Neighbour,
  privacyOf,
  receiveIdentity,
  sendIdentity,
  shownSender,
} from './asserted-identity.ts';

type Fields = readonly (readonly [string, string])[];
const partner: Neighbour = { trusted: false, owns: (domain: string) => domain === 'p.example' };
const pbx: Neighbour = { trusted: true, owns: () => true };

const ALICE = '"Alice" <sip:alice@p.example>';
const EVE = '<sip:eve@other.example>';
const NUMBER = '<tel:+15550100>';

describe('identity received over the trust boundary (RFC 3325)', () => {
  test.each<[string, Neighbour, Fields, Fields]>([
    ['a user of the neighbour', partner, [['P-Asserted-Identity', ALICE]], [['P-Asserted-Identity', ALICE]]],
    ['nobody else', partner, [['P-Asserted-Identity', EVE]], []],
    ['no number', partner, [['P-Asserted-Identity', `${NUMBER}, ${ALICE}`]], [['P-Asserted-Identity', ALICE]]],
    ['no garbage', partner, [['P-Asserted-Identity', '<<x']], []],
    [
      'of who is trusted one of each kind',
      pbx,
      [['P-Asserted-Identity', `${EVE}, ${ALICE}, ${NUMBER}`]],
      [
        ['P-Asserted-Identity', EVE],
        ['P-Asserted-Identity', NUMBER],
      ],
    ],
    ['no preference', partner, [['P-Preferred-Identity', ALICE]], []],
    ['no preference of who is trusted', pbx, [['p-preferred-identity', ALICE]], []],
    [
      'no claims',
      partner,
      [
        ['Subject', 'hi'],
        ['History-Info', '<sip:a@b>;index=1'],
        ['Diversion', '<sip:a@b>'],
        ['Remote-Party-ID', ALICE],
        ['P-Charging-Vector', 'icid-value=1'],
        ['P-Charge-Info', '<sip:a@b>'],
        ['Charge', 'x'],
        ['CPC', 'operator'],
        ['X-Internal', '1'],
        ['Identity-Info', '<https://x>'],
      ],
      [['Subject', 'hi']],
    ],
    ['what proves itself', partner, [['Identity', 'a.b.c']], [['Identity', 'a.b.c']]],
    ['the wish for privacy', partner, [['Privacy', 'id']], [['Privacy', 'id']]],
    [
      'claims of who is trusted',
      pbx,
      [
        ['Diversion', '<sip:a@b>'],
        ['X-Line', '7'],
      ],
      [
        ['Diversion', '<sip:a@b>'],
        ['X-Line', '7'],
      ],
    ],
  ])('keeps %s', (_, neighbour, before, after) => {
    const headers = new Headers(before);
    receiveIdentity(headers, neighbour);
    expect([...headers]).toEqual(after);
  });
});

describe('identity sent over the trust boundary', () => {
  const identity: Fields = [['P-Asserted-Identity', ALICE]];
  test.each<[string, Neighbour, Fields, readonly string[]]>([
    ['the identity', partner, identity, ['P-Asserted-Identity']],
    ['no identity where id is private', partner, [...identity, ['Privacy', 'id']], ['Privacy']],
    ['no identity where id is critical', partner, [...identity, ['Privacy', 'critical;id']], ['Privacy']],
    ['the identity for none', partner, [...identity, ['Privacy', 'none']], ['P-Asserted-Identity', 'Privacy']],
    ['the identity to who is trusted', pbx, [...identity, ['Privacy', 'id']], ['P-Asserted-Identity', 'Privacy']],
    [
      'no claims',
      partner,
      [
        ['P-Preferred-Identity', ALICE],
        ['Diversion', '<sip:a@b>'],
        ['X-Internal', '1'],
        ['Subject', 'hi'],
      ],
      ['Subject'],
    ],
    [
      'no history that is private, even to who is trusted',
      pbx,
      [
        ['Privacy', 'history'],
        ['History-Info', '<sip:a@b>;index=1'],
        ['Diversion', '<sip:a@b>'],
      ],
      ['Privacy'],
    ],
    [
      'nothing of a user that is private',
      partner,
      [
        ['Privacy', 'user'],
        ['Subject', 'hi'],
        ['Organization', 'x'],
        ['Call-Info', '<https://x>'],
        ['Accept', 'text/plain'],
      ],
      ['Privacy', 'Accept'],
    ],
  ])('sends %s', (_, neighbour, before, after) => {
    const headers = new Headers(before);
    sendIdentity(headers, neighbour);
    expect([...headers].map(([name]) => name)).toEqual(after);
  });
});

describe('privacy (RFC 3323)', () => {
  test.each<[string, readonly string[]]>([
    ['id', ['id']],
    ['id;Critical', ['id', 'critical']],
    ['header; user', ['header', 'user']],
    ['none', []],
    ['id;none', []],
    ['', []],
  ])('reads %j', (value, expected) => {
    expect([...privacyOf(new Headers([['Privacy', value]]))]).toEqual(expected);
  });

  it('is not met where the media must be private', () => {
    expect(isPrivacyUnmet(new Set(['session', 'critical']))).toBe(true);
    expect(isPrivacyUnmet(new Set(['session']))).toBe(false);
    expect(isPrivacyUnmet(new Set(['id', 'critical']))).toBe(false);
  });

  it('hides the sender', () => {
    const from = { uri: 'sip:alice@home.example', display: 'Alice' };
    expect(shownSender(from, new Set(['user'])).uri).toBe('sip:anonymous@anonymous.invalid');
    expect(shownSender(from, new Set(['id']))).toBe(from);
  });
});
