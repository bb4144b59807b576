import fc from 'fast-check';
import { parse } from 'ltx';
import { describe, expect, it } from 'vitest';
import { type ReasonCode, reasons } from '../../policies/reasons.ts';
import { stanza } from './bridge.fixture.ts';
import { compose, errorReply, presence } from './reply.ts';

describe('an error reply', () => {
  it.each(Object.keys(reasons) as ReasonCode[])('says of %s no more than its condition', (reason) => {
    const cause = stanza("<message from='a@p.example/x' to='b@h.example' id='1'><body>x</body></message>");
    const reply = errorReply(cause, reason);
    const { xmpp, type } = reasons[reason];
    expect(reply).toMatchObject({ name: 'message', from: 'b@h.example', to: 'a@p.example/x', type: 'error', id: '1' });
    expect(reply?.bytes.toString()).toBe(
      '<message from="b@h.example" to="a@p.example/x" type="error" id="1">' +
        `<error type="${type}"><${xmpp} xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/></error></message>`,
    );
  });

  it.each([
    ['message', '', true],
    ['message', 'chat', true],
    ['message', 'error', false],
    ['iq', 'get', true],
    ['iq', 'set', true],
    ['iq', 'result', false],
    ['iq', 'error', false],
    ['presence', '', true],
    ['presence', 'subscribe', true],
    ['presence', 'unavailable', false],
    ['presence', 'unsubscribe', false],
    ['presence', 'subscribed', false],
    ['presence', 'unsubscribed', false],
    ['presence', 'probe', false],
    ['presence', 'error', false],
  ])('to a %s of type %j: %s', (name, type, may) => {
    const cause = stanza(`<${name} from='a@p.example' to='b@h.example' id='1'${type && ` type='${type}'`}/>`);
    expect(errorReply(cause, 'policy-silent') !== undefined).toBe(may);
  });
});

describe('a stanza of our own', () => {
  it('leaves out what is absent', () => {
    expect(presence('a@h.example', 'b@p.example', 'unsubscribed').bytes.toString()).toBe(
      '<presence from="a@h.example" to="b@p.example" type="unsubscribed"/>',
    );
    expect(compose('iq', { from: '', to: 'b', type: 'get', id: '1' }, '<q/>').bytes.toString()).toBe(
      '<iq to="b" type="get" id="1"><q/></iq>',
    );
  });

  it('mirrors any id and address', () => {
    const text = fc.string({ unit: 'binary' }).filter((value) => !/[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/.test(value));
    fc.assert(
      fc.property(text, text, (id, to) => {
        const { bytes, ...fields } = presence('a', to, 'unsubscribed', id);
        const { attrs } = parse(bytes.toString());
        expect([attrs.id ?? '', attrs.to ?? '']).toEqual([id, to]);
        expect(fields).toMatchObject({ id, to });
        // White space that stood there as such would be a space to the next parser (XML 1.0 §3.3.3).
        expect(bytes.toString()).not.toMatch(/[\t\n\r]/);
      }),
    );
  });
});
