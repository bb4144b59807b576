import { describe, expect, it } from 'vitest';
import { reasons, type StanzaCondition } from '../../policies/reasons.ts';
import { conditionOf, isCondition, oneLine, statusOf } from './error.ts';

describe('a SIP status as a condition', () => {
  it.each([
    [300, 'redirect', 'modify'],
    [301, 'gone', 'cancel'],
    [302, 'redirect', 'modify'],
    [305, 'redirect', 'modify'],
    [380, 'not-acceptable', 'modify'],
    [399, 'redirect', 'modify'],
    [400, 'bad-request', 'modify'],
    [401, 'not-authorized', 'auth'],
    [402, 'bad-request', 'modify'],
    [403, 'forbidden', 'auth'],
    [404, 'item-not-found', 'cancel'],
    [405, 'feature-not-implemented', 'cancel'],
    [406, 'not-acceptable', 'modify'],
    [407, 'registration-required', 'auth'],
    [408, 'remote-server-timeout', 'wait'],
    [410, 'gone', 'cancel'],
    [413, 'policy-violation', 'modify'],
    [414, 'policy-violation', 'modify'],
    [415, 'not-acceptable', 'modify'],
    [416, 'not-acceptable', 'modify'],
    [420, 'feature-not-implemented', 'cancel'],
    [421, 'not-acceptable', 'modify'],
    [423, 'resource-constraint', 'wait'],
    [430, 'recipient-unavailable', 'wait'],
    [439, 'feature-not-implemented', 'cancel'],
    [440, 'policy-violation', 'wait'],
    [480, 'recipient-unavailable', 'wait'],
    [481, 'item-not-found', 'cancel'],
    [482, 'not-acceptable', 'modify'],
    [483, 'not-acceptable', 'modify'],
    [484, 'item-not-found', 'cancel'],
    [485, 'item-not-found', 'cancel'],
    [486, 'recipient-unavailable', 'wait'],
    [487, 'recipient-unavailable', 'wait'],
    [488, 'not-acceptable', 'modify'],
    [489, 'policy-violation', 'modify'],
    [491, 'unexpected-request', 'wait'],
    [493, 'bad-request', 'modify'],
    [499, 'bad-request', 'modify'],
    [500, 'internal-server-error', 'cancel'],
    [501, 'feature-not-implemented', 'cancel'],
    [502, 'remote-server-not-found', 'cancel'],
    [503, 'internal-server-error', 'cancel'],
    [504, 'remote-server-timeout', 'wait'],
    [505, 'not-acceptable', 'modify'],
    [513, 'policy-violation', 'modify'],
    [580, 'internal-server-error', 'cancel'],
    [600, 'recipient-unavailable', 'wait'],
    [603, 'recipient-unavailable', 'wait'],
    [604, 'item-not-found', 'cancel'],
    [606, 'not-acceptable', 'modify'],
    [699, 'recipient-unavailable', 'wait'],
    [428, 'policy-violation', 'modify'],
    [433, 'policy-violation', 'modify'],
    [436, 'policy-violation', 'modify'],
    [437, 'policy-violation', 'modify'],
    [438, 'policy-violation', 'modify'],
    [607, 'recipient-unavailable', 'wait'],
    [608, 'recipient-unavailable', 'wait'],
  ] as const)('%d is %s, %s', (status, condition, type) => {
    expect(conditionOf(status, 'Why')).toEqual({ condition, type, text: 'Why' });
  });

  it.each([300, 301, 302])('%d tells where else to turn', (status) => {
    const { newAddress } = conditionOf(status, '', '"R, M" <sip:romeo@afterlife.example;gr=x>;q=0.5');
    expect(newAddress).toBe('xmpp:romeo@afterlife.example/x');
  });

  it.each([305, 380, 404, 410])('%d tells of no other address', (status) => {
    expect(conditionOf(status, '', 'sip:romeo@afterlife.example')).not.toHaveProperty('newAddress');
  });

  it('is none that is known where it is no final failure', () => {
    expect(conditionOf(200).condition).toBe('undefined-condition');
  });
});

describe('a condition as a SIP status', () => {
  it.each([
    ['bad-request', 400, 400],
    ['conflict', 400, 400],
    ['feature-not-implemented', 405, 501],
    ['forbidden', 403, 603],
    ['gone', 410, 410],
    ['internal-server-error', 500, 500],
    ['item-not-found', 404, 604],
    ['jid-malformed', 400, 400],
    ['not-acceptable', 406, 606],
    ['not-allowed', 403, 403],
    ['not-authorized', 403, 403],
    ['policy-violation', 403, 403],
    ['recipient-unavailable', 480, 600],
    ['redirect', 302, 302],
    ['registration-required', 403, 403],
    ['remote-server-not-found', 404, 404],
    ['remote-server-timeout', 408, 408],
    ['resource-constraint', 500, 500],
    ['service-unavailable', 403, 403],
    ['subscription-required', 400, 400],
    ['undefined-condition', 400, 400],
    ['unexpected-request', 491, 491],
  ] as const)('%s is %d of a device and %d of a user', (condition, full, bare) => {
    expect(statusOf(condition, { bare: false })).toBe(full);
    expect(statusOf(condition, { bare: true })).toBe(bare);
  });

  it('gone with a new address is 301', () => {
    expect(statusOf('gone', { bare: true, newAddress: 'sip:a@example.net' })).toBe(301);
  });

  it('an unexpected request that must change is 400', () => {
    expect(statusOf('unexpected-request', { bare: false, type: 'modify' })).toBe(400);
  });

  it('never asks a trunk for credentials, nor calls all of us down', () => {
    const said = [...new Set(Object.values(reasons).map(({ xmpp }) => xmpp as StanzaCondition))].flatMap((condition) =>
      [true, false].map((bare) => statusOf(condition, { bare })),
    );
    expect(said).not.toContain(401);
    expect(said).not.toContain(407);
    expect(said).not.toContain(503);
  });
});

it('knows the defined conditions, and no property of objects', () => {
  expect(isCondition('gone')).toBe(true);
  expect(isCondition('constructor')).toBe(false);
});

it('makes one line of a sentence out of any text', () => {
  expect(oneLine(' a\r\nSubject: b\0\u2028c ')).toBe('a Subject: b c');
  expect(oneLine(`${'x'.repeat(199)}😀`)).toBe('x'.repeat(199));
  expect(oneLine('\ud800')).toBe('\ufffd');
});
