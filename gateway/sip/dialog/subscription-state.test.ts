import { describe, expect, it } from 'vitest';
import { Headers } from '../message/headers.ts';
import { SipRequest } from '../message/message.ts';
import { isOfEvent, readEvent, readSubscriptionState, requestedSeconds } from './subscription-state.ts';

describe('Subscription-State', () => {
  it.each([
    ['active;expires=600', { state: 'active', reason: '', expires: 600 }],
    ['Pending ; Expires = 7', { state: 'pending', reason: '', expires: 7 }],
    ['terminated;reason=NoResource', { state: 'terminated', reason: 'noresource', expires: undefined }],
    ['terminated;reason=probation;retry-after=3', { state: 'terminated', reason: 'probation', expires: undefined }],
    ['waiting', { state: 'waiting', reason: '', expires: undefined }],
    ['active;expires=99999999999', { state: 'active', reason: '', expires: undefined }],
    ['active;expires=4294967295', { state: 'active', reason: '', expires: 2 ** 31 / 1_000 - 1 }],
    ['', undefined],
    ['two words', undefined],
  ])('%s', (text, read) => {
    expect(readSubscriptionState(text)).toEqual(read);
  });

  it('with malformed parameters is malformed', () => {
    expect(() => readSubscriptionState('active;;')).toThrow('parameter');
  });
});

describe('Event', () => {
  it.each([
    ['presence', { type: 'presence', id: '' }],
    ['presence.winfo;id=7', { type: 'presence.winfo', id: '7' }],
    ['', undefined],
    [undefined, undefined],
  ])('%s', (text, read) => {
    expect(readEvent(text)).toEqual(read);
  });

  it.each([
    ['presence', true],
    ['presence;x=1', true],
    ['presence;id=7', false],
    ['Presence', false],
    ['dialog', false],
    [undefined, false],
  ])('%s is that of presence: %s', (text, is) => {
    expect(isOfEvent(text, { type: 'presence', id: '' })).toBe(is);
  });
});

describe('the time that a SUBSCRIBE asks for', () => {
  it.each([
    [undefined, 3_600],
    ['0', 0],
    ['60', 60],
    ['4294967295', 86_400],
  ])('Expires: %s is %i s', (expires, seconds) => {
    const headers = new Headers(expires === undefined ? [] : [['Expires', expires]]);
    expect(requestedSeconds(new SipRequest('SUBSCRIBE', 'sip:a@b.example', headers))).toBe(seconds);
  });

  it.each(['1', '59'])('is too brief with %s', (expires) => {
    const request = new SipRequest('SUBSCRIBE', 'sip:a@b.example', new Headers([['Expires', expires]]));
    expect(requestedSeconds(request)).toEqual({ status: 423, headers: [['Min-Expires', '60']] });
  });
});
