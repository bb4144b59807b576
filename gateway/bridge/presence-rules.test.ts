import { describe, expect, it } from 'vitest';
import { Border, setOf, stanza } from './bridge.fixture.ts';

const shown = (show: string, limits = ''): string =>
  `partner: fabrikam.example\npresence:\n  - { local: "*", show: ${show} }\n${limits}`;
const presence = (from: string, to: string, type = '', content = ''): ReturnType<typeof stanza> =>
  stanza(`<presence from='${from}' to='${to}'${type && ` type='${type}'`}>${content}</presence>`);

describe('a policy that hides a user', () => {
  const unavailable = (from: string, to = 'bob@fabrikam.example'): string =>
    `<presence from="${from}" to="${to}" type="unavailable"/>`;

  it('takes back every presence the partner was shown, and once', () => {
    const border = new Border(shown('full'));
    border.outbound(presence('ann@contoso.example/a', 'bob@fabrikam.example'));
    border.outbound(presence('ann@contoso.example/a', 'bob@fabrikam.example', '', '<show>away</show>'));
    border.outbound(presence('ann@contoso.example/b', 'bob@fabrikam.example'));
    border.outbound(presence('ann@contoso.example/b', 'bob@fabrikam.example', 'unavailable'));
    border.outbound(presence('bea@contoso.example/a', 'bob@fabrikam.example'));
    border.outbound(
      presence(
        'ann@contoso.example/a',
        'room@fabrikam.example/nick',
        '',
        "<x xmlns='http://jabber.org/protocol/muc'/>",
      ),
    );
    border.take();
    const policy = `partner: fabrikam.example\npresence:\n  - { local: ann@contoso.example, show: nothing }\n  - { local: "*", show: full }\n`;
    border.bridge.replacePolicies(setOf(policy));
    const places = border.sent.map(({ home, partner }) => `${home} → ${partner}`);
    expect(new Set(places)).toEqual(new Set(['contoso.example → fabrikam.example']));
    expect(border.take().sent).toEqual([
      unavailable('ann@contoso.example/a'),
      unavailable('ann@contoso.example/a', 'room@fabrikam.example/nick'),
    ]);
    border.bridge.replacePolicies(setOf(policy));
    expect(border.take().sent).toEqual([]);
  });

  it.each([
    ['a partner that is none any more', setOf()],
    ['a policy that says nothing of presence', setOf('partner: fabrikam.example')],
  ])('holds for %s', (_case, policies) => {
    const border = new Border(shown('availability'));
    border.outbound(presence('ann@contoso.example/a', 'bob@fabrikam.example'));
    border.take();
    border.bridge.replacePolicies(policies);
    expect(border.take().sent).toEqual([unavailable('ann@contoso.example/a')]);
  });

  it('takes nothing back that stays shown', () => {
    const border = new Border(shown('full'));
    border.outbound(presence('ann@contoso.example/a', 'bob@fabrikam.example'));
    border.take();
    border.bridge.replacePolicies(setOf(shown('availability')));
    expect(border.take().sent).toEqual([]);
  });
});

describe('the limit of contacts', () => {
  const border = (): Border => new Border(shown('full', 'limits:\n  contacts: 1\n'));
  const refused = (from: string, to: string): string =>
    `<presence from="${from}" to="${to}" type="error"><error type="wait"><resource-constraint xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/></error></presence>`;

  it('lets no further pair subscribe, in either direction, until one is gone', () => {
    const it = border();
    it.inbound(presence('bob@fabrikam.example', 'ann@contoso.example', 'subscribe'));
    it.inbound(presence('bob@fabrikam.example', 'ann@contoso.example', 'subscribe'));
    it.outbound(presence('ann@contoso.example', 'bob@fabrikam.example', 'subscribe'));
    expect(it.take().refusals).toEqual([]);
    it.inbound(presence('bob@fabrikam.example', 'bea@contoso.example', 'subscribe'));
    it.outbound(presence('bea@contoso.example', 'bob@fabrikam.example', 'subscribe'));
    expect(it.take()).toEqual({
      sent: [refused('bea@contoso.example', 'bob@fabrikam.example')],
      delivered: [refused('bob@fabrikam.example', 'bea@contoso.example')],
      refusals: ['contacts-full line 5', 'contacts-full line 5'],
    });
    it.inbound(presence('bob@fabrikam.example', 'ann@contoso.example', 'unsubscribe'));
    expect(it.bridge.contacts('fabrikam.example')).toBe(1);
    it.inbound(presence('bob@fabrikam.example', 'ann@contoso.example', 'unsubscribed'));
    expect(it.bridge.contacts('fabrikam.example')).toBe(0);
    it.outbound(presence('bea@contoso.example', 'bob@fabrikam.example', 'subscribe'));
    expect(it.take().refusals).toEqual([]);
  });

  it('is not used up by presence that a partner sends unasked', () => {
    const it = border();
    it.inbound(presence('eve@fabrikam.example/x', 'ann@contoso.example'));
    it.inbound(presence('eve@fabrikam.example', 'ann@contoso.example', 'subscribed'));
    it.inbound(presence('eve@fabrikam.example', 'ann@contoso.example', 'probe'));
    expect([it.take().delivered.length, it.bridge.contacts('fabrikam.example')]).toEqual([3, 0]);
  });

  it('counts no directed presence and no rooms', () => {
    const it = border();
    it.outbound(presence('ann@contoso.example/a', 'bob@fabrikam.example/x'));
    it.outbound(
      presence('ann@contoso.example/a', 'room@fabrikam.example', '', "<x xmlns='http://jabber.org/protocol/muc'/>"),
    );
    expect([it.take().sent.length, it.bridge.contacts('fabrikam.example')]).toEqual([2, 0]);
  });

  it('is counted anew after a start from what our own side sends', () => {
    const it = border();
    it.outbound(presence('ann@contoso.example', 'bob@fabrikam.example', 'probe'));
    it.outbound(presence('ann@contoso.example/a', 'bob@fabrikam.example'));
    expect(it.bridge.contacts('fabrikam.example')).toBe(1);
    it.bridge.replacePolicies(setOf());
    expect(it.bridge.contacts('fabrikam.example')).toBe(0);
  });
});
