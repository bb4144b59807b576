import { describe, expect, it } from 'vitest';
import { answerOf, errorStanza, readError } from './error-stanza.ts';
import { stanzaFrom } from './stanza.fixture.ts';

const STANZAS = "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'";
const message = stanzaFrom("<message from='a@home.example/x' to='b@partner.example' id='1'><body>x</body></message>");
const error = (content: string, attributes = "type='cancel'") =>
  stanzaFrom(
    `<message type='error' from='b@x' to='a@x'><body>x</body><error ${attributes}>${content}</error></message>`,
  );

describe('the error of a refused request', () => {
  it('says the condition and the reason to who sent the stanza', () => {
    const stanza = errorStanza(message, { status: 404, reason: 'No <such> User\r\n' });
    expect(stanza?.bytes.toString()).toBe(
      '<message from="b@partner.example" to="a@home.example/x" type="error" id="1"><error type="cancel">' +
        '<item-not-found xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/>' +
        '<text xmlns="urn:ietf:params:xml:ns:xmpp-stanzas">No &lt;such&gt; User</text></error></message>',
    );
    expect(stanza).toMatchObject({ type: 'error', id: '1', childName: 'error', children: 1 });
  });

  it('tells a new address', () => {
    const stanza = errorStanza(message, { status: 301, contact: 'sip:romeo@afterlife.example' });
    expect(stanza?.bytes.toString()).toContain('>xmpp:romeo@afterlife.example</gone>');
    expect(stanza && readError(stanza)).toEqual({
      condition: 'gone',
      type: 'cancel',
      text: '',
      newAddress: 'xmpp:romeo@afterlife.example',
    });
  });

  it.each([
    ['an error', "<message type='error' from='a@x' to='b@x'/>"],
    ['a result', "<iq type='result' id='1' from='a@x' to='b@x'/>"],
    ['presence that asks nothing', "<presence type='unavailable' from='a@x' to='b@x'/>"],
    ['an id that would break a stream', `<message from='a@x' to='b@x' id='${'x'.repeat(10_000)}'/>`],
  ])('is never sent to %s', (_what, xml) => {
    expect(errorStanza(stanzaFrom(xml), { status: 404 })).toBeUndefined();
  });
});

describe('what an error stanza says', () => {
  it.each([
    [
      'all of it',
      error(`<forbidden ${STANZAS}/><text ${STANZAS}>Go\naway</text>`, "type='auth'"),
      'forbidden',
      'auth',
      'Go away',
    ],
    ['text first', error(`<text ${STANZAS}>x</text><gone ${STANZAS}/>`), 'gone', 'cancel', 'x'],
    ['an unknown type', error(`<item-not-found ${STANZAS}/>`, "type='odd'"), 'item-not-found', 'cancel', ''],
    ['no type', error(`<recipient-unavailable ${STANZAS}/>`, ''), 'recipient-unavailable', 'wait', ''],
    ['an unknown condition', error(`<constructor ${STANZAS}/>`), 'undefined-condition', 'cancel', ''],
    ['a condition of another namespace', error("<forbidden xmlns='urn:x'/>"), 'undefined-condition', 'cancel', ''],
    ['no error', stanzaFrom("<message type='error'/>"), 'undefined-condition', 'cancel', ''],
  ])('is read: %s', (_what, stanza, condition, type, text) => {
    expect(readError(stanza)).toEqual({ condition, type, text });
  });
});

describe('the answer for an error stanza', () => {
  const moved = error(`<gone ${STANZAS}>xmpp:romeo@afterlife.example</gone>`);
  const redirect = error(`<redirect ${STANZAS}>xmpp:romeo@afterlife.example</redirect>`);

  it('has the text as its reason phrase', () => {
    expect(
      answerOf(readError(error(`<item-not-found ${STANZAS}/><text ${STANZAS}>Nobody</text>`)), { bare: true }),
    ).toEqual({
      status: 604,
      reason: 'Nobody',
    });
  });

  it('tells a new address where the policy lets it', () => {
    const contact = { headers: [['Contact', '<sip:romeo@afterlife.example>']] };
    expect(answerOf(readError(moved), { bare: true, redirects: true })).toEqual({ status: 301, ...contact });
    expect(answerOf(readError(redirect), { bare: true, redirects: true })).toEqual({ status: 302, ...contact });
  });

  it('keeps it back where the policy does not', () => {
    expect(answerOf(readError(moved), { bare: true })).toEqual({ status: 410 });
    expect(answerOf(readError(redirect), { bare: true })).toEqual({ status: 480 });
  });
});
