import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { policyOf } from '../../policies/policy.fixture.ts';
import { Border, setOf, stanza } from './bridge.fixture.ts';
import { PartnerLimits } from './limits.ts';

const partner = (flow: string, name = 'fabrikam.example') =>
  policyOf(`partner: ${name}\nlimits:\n  messages: ${flow}\n`);

/** How many of `tries` stanzas at once are let through. */
function taken(limits: PartnerLimits, policy: ReturnType<typeof partner>, tries: number): number {
  let count = 0;
  for (let n = 0; n < tries; n++) if (limits.take(policy, 'messages', 'inbound')) count++;
  return count;
}

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe('a limit', () => {
  it('lets a burst through at once, and not one more', async () => {
    const limits = new PartnerLimits();
    const policy = partner('{ rate: 30/min, burst: 7 }');
    expect(taken(limits, policy, 100)).toBe(7);
    await vi.advanceTimersByTimeAsync(1_999);
    expect(taken(limits, policy, 100)).toBe(0);
    await vi.advanceTimersByTimeAsync(1);
    expect(taken(limits, policy, 100)).toBe(1);
    limits.close();
  });

  it.each([
    ['50/s', 200, 500],
    ['50/s', 1, 500],
    ['7/s', 3, 70],
    ['15/s', 10, 150],
    ['1000/s', 100, 10_000],
    ['30/min', 10, 5],
  ])('of %s, burst %i, gives no more than the rate for ten seconds, and hardly less', async (rate, burst, expected) => {
    const limits = new PartnerLimits();
    const policy = partner(`{ rate: ${rate}, burst: ${burst} }`);
    expect(taken(limits, policy, burst + 1)).toBe(burst);
    let count = 0;
    for (let ms = 0; ms < 10_000; ms++) {
      await vi.advanceTimersByTimeAsync(1);
      count += taken(limits, policy, 3);
    }
    expect(count).toBeLessThanOrEqual(expected);
    expect(count).toBeGreaterThanOrEqual(Math.floor(expected * 0.98));
    limits.close();
  });

  it('gives the burst again after a pause as long as it takes to earn it', async () => {
    const limits = new PartnerLimits();
    const policy = partner('{ rate: 50/s, burst: 200 }');
    for (let round = 0; round < 3; round++) {
      expect(taken(limits, policy, 1_000)).toBe(200);
      await vi.advanceTimersByTimeAsync(4_000);
    }
    limits.close();
  });

  it('takes no more than the burst however long the pause', async () => {
    const limits = new PartnerLimits();
    const policy = partner('{ rate: 50/s, burst: 20 }');
    expect(taken(limits, policy, 1)).toBe(1);
    await vi.advanceTimersByTimeAsync(3_600_000);
    expect(taken(limits, policy, 100)).toBe(20);
    limits.close();
  });

  it('lets everything through where the policy has none', () => {
    const limits = new PartnerLimits();
    expect(taken(limits, policyOf('partner: fabrikam.example'), 10_000)).toBe(10_000);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('is taken apart by partner, direction and sort', () => {
    const limits = new PartnerLimits();
    const flows = ['messages', 'presence', 'iq', 'subscriptions'] as const;
    const text = flows.map((flow) => `  ${flow}: { rate: 1/day, burst: 2 }`).join('\n');
    const partners = ['a.example', 'b.example'].map((name) => policyOf(`partner: ${name}\nlimits:\n${text}\n`));
    for (const policy of partners) {
      for (const direction of ['inbound', 'outbound'] as const) {
        for (const flow of flows) {
          const results = [1, 2, 3].map(() => limits.take(policy, flow, direction));
          expect(results).toEqual([true, true, false]);
        }
      }
    }
    limits.close();
  });

  it('leaves no timer when it is full, when its partner is gone, and when it is closed', async () => {
    const limits = new PartnerLimits();
    const [a, b] = [
      partner('{ rate: 10/s, burst: 5 }', 'a.example'),
      partner('{ rate: 1/day, burst: 5 }', 'b.example'),
    ];
    taken(limits, a, 5);
    await vi.advanceTimersByTimeAsync(500);
    expect(vi.getTimerCount()).toBe(0);
    taken(limits, b, 5);
    await vi.advanceTimersByTimeAsync(1);
    limits.retain(new Set(['a.example']));
    expect(vi.getTimerCount()).toBe(0);
    taken(limits, a, 5);
    taken(limits, b, 5);
    limits.close();
    limits.close();
    await vi.advanceTimersByTimeAsync(1);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('goes on where it stood when a new policy leaves it as it was, and begins anew when not', () => {
    const limits = new PartnerLimits();
    expect(taken(limits, partner('{ rate: 1/day, burst: 3 }'), 2)).toBe(2);
    const reloaded = policyOf(
      'partner: fabrikam.example\nmessages: { allow: both }\nlimits: { messages: { rate: 1/day, burst: 3 } }',
    );
    limits.retain(new Set(['fabrikam.example']));
    expect(taken(limits, reloaded, 9)).toBe(1);
    expect(taken(limits, partner('{ rate: 1/day, burst: 4 }'), 9)).toBe(4);
    limits.close();
  });
});

describe('over a limit', () => {
  const POLICY = `partner: fabrikam.example
presence: [{ local: "*", show: full }]
messages: { allow: both }
limits:
  messages: { rate: 1/day, burst: 1 }
  presence: { rate: 1/day, burst: 1 }
  iq: { rate: 1/day, burst: 1 }
  subscriptions: { rate: 1/day, burst: 1 }
`;
  const wait = '<error type="wait"><resource-constraint xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/></error>';
  it.each([
    ['message', "<message id='1'", '', 'rate-messages line 5', true],
    ['message error', "<message type='error'", '', 'rate-messages line 5', false],
    ['presence', "<presence id='1'", '', 'rate-presence line 6', true],
    ['presence error', "<presence type='error'", '', 'rate-presence line 6', false],
    ['odd presence', "<presence type='odd'", '', 'rate-presence line 6', false],
    ['probe', "<presence type='probe'", '', 'rate-presence line 6', false],
    ['iq', "<iq type='get' id='1'", "<ping xmlns='urn:xmpp:ping'/>", 'rate-iq line 7', true],
    ['iq without a payload', "<iq type='get' id='1'", '', 'rate-iq line 7', true],
    ['subscription', "<presence type='subscribe' id='1'", '', 'rate-subscriptions line 8', true],
  ])(
    'a %s is refused in either direction, with an answer where one may be',
    (_name, start, content, refusal, answered) => {
      const border = new Border(POLICY);
      const name = /\w+/.exec(start)?.[0];
      const arriving = (from: string, to: string) => stanza(`${start} from='${from}' to='${to}'>${content}</${name}>`);
      const answer = (from: string, to: string) =>
        answered ? [`<${name} from="${from}" to="${to}" type="error" id="1">${wait}</${name}>`] : [];
      border.inbound(arriving('bob@fabrikam.example', 'ann@contoso.example'));
      border.outbound(arriving('ann@contoso.example', 'bob@fabrikam.example'));
      border.take();
      border.inbound(arriving('bob@fabrikam.example', 'ann@contoso.example'));
      expect(border.take()).toEqual({
        sent: answer('ann@contoso.example', 'bob@fabrikam.example'),
        delivered: [],
        refusals: [refusal],
      });
      border.outbound(arriving('ann@contoso.example', 'bob@fabrikam.example'));
      expect(border.take()).toEqual({
        sent: [],
        delivered: answer('bob@fabrikam.example', 'ann@contoso.example'),
        refusals: [refusal],
      });
      border.bridge.close();
    },
  );

  it('counts the pings of servers apart from what users ask, and bounds them too', () => {
    const border = new Border(POLICY);
    const ping = stanza(
      "<iq type='get' id='p' from='fabrikam.example' to='contoso.example'><ping xmlns='urn:xmpp:ping'/></iq>",
    );
    for (let n = 0; n < 400; n++) border.inbound(ping);
    expect(border.take()).toMatchObject({ refusals: [] });
    border.inbound(ping);
    expect(border.take().refusals).toEqual(['rate-iq']);
    border.inbound(
      stanza(
        "<iq type='get' id='u' from='bob@fabrikam.example' to='contoso.example'><ping xmlns='urn:xmpp:ping'/></iq>",
      ),
    );
    expect(border.take().refusals).toEqual([]);
    border.bridge.close();
  });

  it('lets an `unavailable` pass on credit, so that nobody stays shown who has gone, and that credit ends too', () => {
    const border = new Border(POLICY);
    const gone = stanza("<presence type='unavailable' from='bob@fabrikam.example/a' to='ann@contoso.example'/>");
    border.inbound(stanza("<presence from='bob@fabrikam.example/a' to='ann@contoso.example'/>"));
    border.take();
    border.inbound(gone);
    expect(border.take().refusals).toEqual([]);
    border.inbound(gone);
    expect(border.take()).toEqual({ sent: [], delivered: [], refusals: ['rate-presence line 6'] });
    border.bridge.close();
  });

  it('stays so when policies are read again', () => {
    const border = new Border(POLICY);
    const message = stanza("<message from='bob@fabrikam.example' to='ann@contoso.example'/>");
    border.inbound(message);
    border.bridge.replacePolicies(setOf(POLICY));
    border.take();
    border.inbound(message);
    expect(border.take().refusals).toEqual(['rate-messages line 5']);
    border.bridge.close();
  });
});
