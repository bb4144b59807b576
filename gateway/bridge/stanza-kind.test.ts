import { describe, expect, it } from 'vitest';
import { stanza } from './bridge.fixture.ts';
import { roleOf } from './stanza-kind.ts';

const MUC = 'http://jabber.org/protocol/muc';

describe('the role of a stanza', () => {
  it.each([
    ['<message/>', 'message'],
    ["<message type='normal'/>", 'message'],
    ["<message type='headline'/>", 'message'],
    ["<message type='of the future'/>", 'message'],
    ["<message type='error'/>", 'error'],
    ["<iq type='get' id='1'><q xmlns='u'/></iq>", 'iq-request'],
    ["<iq type='set' id='1'><q xmlns='u'/></iq>", 'iq-request'],
    ["<iq type='result' id='1'/>", 'iq-answer'],
    ["<iq type='result' id='1'><q xmlns='u'/></iq>", 'iq-answer'],
    ["<iq type='error' id='1'/>", 'iq-answer'],
    ["<iq type='get' id='1'/>", 'malformed'],
    ["<iq type='get' id='1'>text</iq>", 'malformed'],
    ["<iq type='get'><q xmlns='u'/></iq>", 'malformed'],
    ["<iq type='result'/>", 'malformed'],
    ["<iq id='1'><q xmlns='u'/></iq>", 'malformed'],
    ["<iq type='GET' id='1'><q xmlns='u'/></iq>", 'malformed'],
    ['<presence/>', 'presence'],
    ["<presence type='unavailable'/>", 'presence'],
    [`<presence type='unavailable'><x xmlns='${MUC}'/></presence>`, 'presence'],
    [`<presence><x xmlns='${MUC}'/></presence>`, 'join'],
    [`<presence><show>away</show><x xmlns="${MUC}"/></presence>`, 'join'],
    [`<presence><x xmlns='${MUC}#user'/></presence>`, 'presence'],
    ["<presence type='probe'/>", 'probe'],
    ["<presence type='subscribe'/>", 'subscription-request'],
    ["<presence type='unsubscribe'/>", 'subscription-request'],
    ["<presence type='subscribed'/>", 'subscription-answer'],
    ["<presence type='unsubscribed'/>", 'subscription-answer'],
    ["<presence type='error'/>", 'error'],
    ["<presence type='available'/>", 'malformed'],
  ])('%s is %s', (xml, role) => {
    expect(roleOf(stanza(xml))).toBe(role);
  });
});
