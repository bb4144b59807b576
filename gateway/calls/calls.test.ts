import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Session } from '../sip/port.ts';
import {
  home,
  otherPartner,
  partner,
  policiesOf,
  reply,
  TestExchange,
  type TestInCall,
  type TestOutCall,
} from './calls.fixture.ts';

const both = 'calls: { allow: both }';
const bob = `sip:bob@${partner}`;
const alice = `sip:alice@${home}`;

async function talking(exchange: TestExchange): Promise<{ incoming: TestInCall; out: TestOutCall }> {
  const incoming = exchange.inward();
  const out = await exchange.pbx.call(1);
  out.answers('answer');
  await exchange.settle();
  return { incoming, out };
}

/** Nothing of any call is left: no place, no timer. */
function expectNothingLeft(exchange: TestExchange): void {
  expect([exchange.calls.size, exchange.limits.concurrent(partner), exchange.timers]).toEqual([0, 0, 0]);
}

describe('A call from a partner to the PBX', () => {
  it('rings, is answered, changes and ends as two legs', async () => {
    const exchange = new TestExchange(both);
    const incoming = exchange.inward(`sip:bob@${partner}:5099;x=y`, `${alice}:5061;user=phone`, { hops: 20 });
    const out = await exchange.pbx.call(1);
    expect(out.invite).toMatchObject({
      target: alice,
      from: { uri: bob },
      to: { uri: alice },
      offer: 'offer',
      hops: 19,
    });
    out.rings(180);
    out.rings(183, 'early media');
    out.answers('answer');
    expect(await incoming.final).toEqual({ status: 200, sdp: 'answer' });
    expect(incoming.rung).toEqual([{ status: 180 }, { status: 183, sdp: 'early media' }]);
    await exchange.settle();

    expect(await incoming.session.changes('hold')).toEqual({ sdp: 'answer to the change' });
    expect(out.session.offers).toEqual(['hold']);
    out.session.modified = { reply: reply(488) };
    expect(await incoming.session.changes('no')).toEqual({ refuse: { status: 488, headers: [] } });

    exchange.now += 5_000;
    out.session.over({ by: 'peer', reason: 'Q.850;cause=16' });
    await exchange.settle();
    expect(incoming.session.end_).toEqual({ by: 'us', reason: 'Q.850;cause=16' });
    expect(exchange.journal.map(({ event }) => event)).toEqual(['call-started', 'call-ended']);
    expect(exchange.journal[1]?.fields).toMatchObject({
      partner,
      from: 'bob@fabrikam.example',
      to: 'alice@contoso.example',
      direction: 'inbound',
      outcome: 'ended',
      seconds: 5,
    });
    expectNothingLeft(exchange);
  });

  it('carries a late offer and its answer', async () => {
    const exchange = new TestExchange(both);
    const incoming = exchange.inward(bob, alice, { offer: undefined });
    const out = await exchange.pbx.call(1);
    expect(out.invite.offer).toBeUndefined();
    out.answers('late offer');
    expect(await incoming.final).toEqual({ status: 200, sdp: 'late offer' });
    await exchange.settle();
    expect(out.acknowledged).toBe('answer in the ACK');
    await exchange.calls.close();
    expectNothingLeft(exchange);
  });

  it('lets the caller hear one of several early dialogs', async () => {
    const exchange = new TestExchange(both);
    const incoming = exchange.inward();
    const out = await exchange.pbx.call(1);
    out.rings(183, 'first', 'a');
    out.rings(180, 'second', 'b');
    out.rings(183, 'second', 'b');
    expect(incoming.rung).toEqual([{ status: 183, sdp: 'first' }, { status: 180 }]);
    incoming.cancel();
    await exchange.calls.close();
  });

  it.each([
    [486, 486],
    [603, 603],
    [404, 404],
    [401, 403],
    [407, 403],
    [503, 500],
    [302, 403],
  ])('is refused with %d by the PBX: the caller hears %d', async (said, heard) => {
    const exchange = new TestExchange(both);
    const incoming = exchange.inward();
    (await exchange.pbx.call(1)).refuse(reply(said, { Reason: 'Q.850;cause=17', Contact: '<sip:evil@pstn.example>' }));
    expect(await incoming.final).toMatchObject({ status: heard });
    expect(exchange.pbx.calls).toHaveLength(1);
    await exchange.settle();
    expectNothingLeft(exchange);
  });

  it.each([
    ['transport', 500],
    ['unsent', 500],
    ['timeout', 408],
  ] as const)('hears of a PBX that is not there (%s) as %d, and never 503', async (origin, heard) => {
    const exchange = new TestExchange(both);
    const incoming = exchange.inward();
    (await exchange.pbx.call(1)).refuse({ ...reply(origin === 'timeout' ? 408 : 503), origin });
    expect(await incoming.final).toMatchObject({ status: heard });
  });

  it('is cancelled on both legs, also where an answer crosses', async () => {
    for (const crossing of [false, true]) {
      const exchange = new TestExchange(both);
      const incoming = exchange.inward();
      const out = await exchange.pbx.call(1);
      if (crossing) out.answers('answer');
      incoming.cancel();
      await exchange.settle();
      expect(out.invite.signal?.aborted).toBe(true);
      if (crossing) expect(out.session.end_).toBeDefined();
      expectNothingLeft(exchange);
    }
  });

  it('is given up where nobody answers', async () => {
    const exchange = new TestExchange(both);
    const incoming = exchange.inward();
    await exchange.pbx.call(1);
    exchange.advance(60_000);
    expect(await incoming.final).toEqual({ status: 480 });
    await exchange.settle();
    expect(exchange.journal.at(-1)?.fields).toMatchObject({ outcome: 'unanswered' });
    expectNothingLeft(exchange);
  });

  it('is answered with 500 where a defect of ours stops it, and the defect is told', async () => {
    const exchange = new TestExchange(both);
    Object.defineProperty(exchange.pbx, 'invite', {
      value: () => {
        throw new TypeError('a bug');
      },
    });
    const incoming = exchange.inward();
    expect(await incoming.final).toEqual({ status: 500 });
    await exchange.settle();
    const [defect] = exchange.journal;
    expect(defect).toMatchObject({ event: 'defect', fields: { detail: expect.stringContaining('a bug') } });
    expectNothingLeft(exchange);
  });

  it('ends on the called side where the caller never confirms', async () => {
    const exchange = new TestExchange(both);
    const incoming = exchange.inward();
    incoming.ack = new Error('no ACK');
    const out = await exchange.pbx.call(1);
    out.answers('answer');
    await exchange.settle();
    expect(out.session.end_).toBeDefined();
    expectNothingLeft(exchange);
  });

  it('carries a change of the called side that comes before the caller has confirmed', async () => {
    for (const confirmed of [true, false]) {
      const exchange = new TestExchange(both);
      const ack = Promise.withResolvers<Session>();
      const incoming = exchange.inward(bob, alice, { answer: () => ack.promise });
      const out = await exchange.pbx.call(1);
      out.answers('answer');
      await exchange.settle();
      const change = out.session.changes('change');
      if (confirmed) ack.resolve(incoming.session);
      else ack.reject(new Error('no ACK'));
      expect(await change).toEqual(confirmed ? { sdp: 'answer to the change' } : { refuse: { status: 500 } });
      await exchange.calls.close();
      await exchange.settle();
      expectNothingLeft(exchange);
    }
  });

  it('is cut off at the longest that the policy allows', async () => {
    const exchange = new TestExchange('calls: { allow: both, limits: { longest: 1h } }');
    const { incoming, out } = await talking(exchange);
    exchange.advance(3_600_000);
    await exchange.settle();
    expect([incoming.session.end_?.by, out.session.end_?.by]).toEqual(['us', 'us']);
    expectNothingLeft(exchange);
  });

  it('ends when a policy takes calls away, and goes on through any other change', async () => {
    const exchange = new TestExchange(both);
    const { incoming, out } = await talking(exchange);
    exchange.policies = policiesOf('calls: { allow: outbound }');
    exchange.calls.policiesChanged();
    await exchange.settle();
    expect(incoming.session.end_).toBeUndefined();
    exchange.policies = policiesOf('messages: { allow: both }');
    exchange.calls.policiesChanged();
    await exchange.settle();
    expect([incoming.session.end_?.by, out.session.end_?.by]).toEqual(['us', 'us']);
    expectNothingLeft(exchange);
  });

  it('passes keys pressed, and no other INFO', async () => {
    const exchange = new TestExchange(both);
    const { incoming, out } = await talking(exchange);
    const key = { type: 'application/dtmf-relay', content: Buffer.from('Signal=5') };
    expect(await incoming.session.asks('INFO', {}, key)).toMatchObject({ status: 200 });
    expect(out.session.requests).toEqual([{ method: 'INFO', body: 'Signal=5' }]);
    const other = { type: 'text/html', content: Buffer.from('x') };
    expect(await incoming.session.asks('INFO', {}, other)).toMatchObject({ status: 415 });
    expect(await incoming.session.asks('MESSAGE', {}, other)).toMatchObject({ status: 405 });
    expect(out.session.requests).toHaveLength(1);
    await exchange.calls.close();
  });
});

describe('Before anything rings', () => {
  it.each([
    ['the policy is silent', 'messages: { allow: both }', bob, alice, 'policy-silent', 403],
    ['the direction is denied', 'calls: { allow: outbound }', bob, alice, 'direction-denied', 403],
    ['another domain than ours is called', both, bob, 'sip:x@elsewhere.example', 'domain-not-home', 404],
    ['the caller is nobody', both, 'sip:@', alice, 'address-malformed', 400],
    ['the caller is of another partner', both, `sip:x@${otherPartner}`, alice, 'sender-not-proven', 403],
    ['the partner is a stranger', both, 'sip:x@stranger.example', alice, 'no-partner', 403],
    ['a number that no line allows is called', both, bob, `sip:+33123456789@${home}`, 'destination-denied', 403],
    ['a number that no line allows is called by tel:', both, bob, 'tel:+33123456789', 'destination-denied', 403],
    ['TLS is demanded to the end (sips)', both, bob, `sips:alice@${home}`, 'sips-denied', 480],
  ])('%s', async (_case, policy, from, target, reason, status) => {
    const exchange = new TestExchange(policy);
    const incoming = exchange.inward(from, target);
    expect((await incoming.final).status).toBe(status);
    expect(exchange.reasons()).toEqual([reason]);
    expect(exchange.pbx.calls).toEqual([]);
    expectNothingLeft(exchange);
  });

  it('there is no PBX', async () => {
    const exchange = new TestExchange(both, { pbx: false });
    expect((await exchange.inward().final).status).toBe(501);
    expect(exchange.reasons()).toEqual(['calls-unavailable']);
  });

  it('no hop is left', async () => {
    const exchange = new TestExchange(both);
    expect((await exchange.inward(bob, alice, { hops: 0 }).final).status).toBe(483);
  });

  it('a number of a local user becomes that user', async () => {
    const exchange = new TestExchange(
      `${both}\nnumbers: [{ e164: "+4930123", address: alice@${home} }, { e164: "+4930*", address: "*@${home}" }]`,
    );
    exchange.inward(bob, 'tel:+4930123');
    exchange.inward(bob, `sip:+4930999@${home};user=phone`);
    expect((await exchange.pbx.call(1)).invite.target).toBe(alice);
    expect((await exchange.pbx.call(2)).invite.target).toBe(`sip:+4930999@${home}`);
    await exchange.calls.close();
  });
});

describe('A call from the PBX to a partner', () => {
  it('goes out by the trunk of the partner, from our domain', async () => {
    const exchange = new TestExchange(both);
    const incoming = exchange.outward('sip:alice@192.0.2.7:5060', bob);
    const out = await exchange.trunk.call(1);
    expect(out.invite).toMatchObject({ target: bob, from: { uri: `sip:alice@${home}` } });
    out.answers('answer');
    expect(await incoming.final).toEqual({ status: 200, sdp: 'answer' });
    await exchange.settle();
    incoming.session.over({ by: 'peer' });
    await exchange.settle();
    expect(out.session.end_).toBeDefined();
    expectNothingLeft(exchange);
  });

  it('is refused where the policy lets none out, and for whom no policy names', async () => {
    const exchange = new TestExchange('calls: { allow: inbound }');
    expect((await exchange.outward().final).status).toBe(403);
    expect((await exchange.outward(alice, 'sip:x@stranger.example').final).status).toBe(403);
    expect(exchange.reasons()).toEqual(['direction-denied', 'no-partner']);
  });
});

describe('Limits of calls', () => {
  const limits = (text: string): TestExchange => new TestExchange(`calls: { allow: both, limits: { ${text} } }`);

  it('of the partner at a time', async () => {
    const exchange = limits('concurrent: 2');
    const first = exchange.inward();
    exchange.inward(`sip:eve@${partner}`);
    expect((await exchange.inward(`sip:joe@${partner}`).final).status).toBe(480);
    first.cancel();
    await exchange.settle();
    exchange.inward(`sip:joe@${partner}`);
    await exchange.pbx.call(3);
    expect(exchange.reasons()).toEqual(['calls-concurrent']);
    await exchange.calls.close();
    expectNothingLeft(exchange);
  });

  it('of a user at a time, and in a minute', async () => {
    const exchange = limits('perUser: { concurrent: 1, perMinute: 2 }');
    const first = exchange.inward();
    expect((await exchange.inward().final).status).toBe(480);
    first.cancel();
    await exchange.settle();
    exchange.inward().cancel();
    await exchange.settle();
    expect((await exchange.inward().final).status).toBe(480);
    exchange.inward(`sip:eve@${partner}`);
    await exchange.pbx.call(3);
    exchange.now += 30_000;
    exchange.inward();
    await exchange.pbx.call(4);
    expect(exchange.reasons()).toEqual(['calls-concurrent', 'calls-rate']);
    await exchange.calls.close();
    expectNothingLeft(exchange);
  });

  it('are given back however calls end', async () => {
    const move = fc.constantFrom('ring', 'answer', 'refuse', 'cancel', 'hang up', 'called hangs up', 'time', 'no ACK');
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(move, { maxLength: 5 }), { maxLength: 4 }), async (scripts) => {
        const exchange = limits('concurrent: 3');
        const calls = scripts.map(() => exchange.inward());
        for (const [index, script] of scripts.entries()) {
          const out = exchange.pbx.calls[index];
          const incoming = calls[index];
          if (out === undefined || incoming === undefined) continue;
          for (const step of script) {
            if (step === 'ring') out.rings(180);
            else if (step === 'answer') out.answers('answer');
            else if (step === 'refuse') out.refuse(reply(486));
            else if (step === 'cancel') incoming.cancel();
            else if (step === 'hang up') incoming.session.over({ by: 'peer' });
            else if (step === 'called hangs up') out.session.over({ by: 'peer' });
            else if (step === 'no ACK') incoming.ack = new Error('no ACK');
            else exchange.advance(60_000);
            await exchange.settle();
          }
        }
        expect(exchange.limits.concurrent(partner)).toBeLessThanOrEqual(3);
        await exchange.calls.close();
        await exchange.settle();
        expectNothingLeft(exchange);
      }),
      { numRuns: 100 },
    );
  });
});

describe('A redirection', () => {
  it('is followed where the policy says so, three targets at most', async () => {
    const exchange = new TestExchange('calls: { allow: both, redirects: allow }');
    const incoming = exchange.inward();
    (await exchange.pbx.call(1)).refuse(reply(302, { Contact: `<sip:desk@${home}>;q=1` }));
    const second = await exchange.pbx.call(2);
    expect(second.invite.target).toBe(`sip:desk@${home}`);
    second.refuse(reply(302, { Contact: `<sip:third@${home}>` }));
    (await exchange.pbx.call(3)).refuse(reply(302, { Contact: `<sip:fourth@${home}>` }));
    expect((await incoming.final).status).toBe(403);
    expect(exchange.pbx.calls).toHaveLength(3);
  });

  it.each([`<sip:x@elsewhere.example>`, `<sip:+881612345678@${home}>`, `<sips:carol@${home}>`, bob])(
    'leads to no %s',
    async (contact) => {
      const exchange = new TestExchange('calls: { allow: both, redirects: allow }');
      const incoming = exchange.inward();
      (await exchange.pbx.call(1)).refuse(reply(302, { Contact: contact }));
      expect((await incoming.final).status).toBe(403);
      expect(exchange.reasons()).toEqual(['redirect-denied']);
    },
  );
});

describe('A transfer', () => {
  const allowed = 'calls: { allow: both, transfers: allow }';
  const refer = (uri: string) => ({ 'Refer-To': `<${uri}>` });

  it.each([
    ['the policy does not say so', both, refer(`sip:carol@${home}`), 403],
    ['the target is beyond us', allowed, refer('sip:x@elsewhere.example'), 404],
    ['the target is a number that no line allows', allowed, refer(`sip:+33123456789@${home}`), 403],
    ['it demands TLS that the PBX has not', allowed, refer(`sips:carol@${home}`), 480],
    ['it takes another call over', allowed, refer(`sip:carol@${home}?Replaces=abc`), 400],
    ['it asks for something else than a call', allowed, refer(`sip:carol@${home};method=BYE`), 400],
    ['it names two', allowed, { 'Refer-To': `<sip:carol@${home}>, <sip:ceo@${home}>` }, 400],
    ['it names nobody', allowed, {}, 400],
  ])('is refused where %s', async (_case, policy, headers, status) => {
    const exchange = new TestExchange(policy);
    const { incoming } = await talking(exchange);
    expect((await incoming.session.asks('REFER', headers)).status).toBe(status);
    expect(exchange.pbx.calls).toHaveLength(1);
    expect(incoming.session.end_).toBeUndefined();
    await exchange.calls.close();
  });

  it('puts the new target in the place of the one that asked', async () => {
    const exchange = new TestExchange(allowed);
    const { incoming, out } = await talking(exchange);
    expect((await incoming.session.asks('REFER', refer(`sip:carol@${home}`))).status).toBe(202);
    const carol = await exchange.pbx.call(2);
    expect(carol.invite).toMatchObject({ target: `sip:carol@${home}`, from: { uri: alice } });
    carol.answers("carol's offer");
    await exchange.settle();
    expect(out.session.offers).toEqual(["carol's offer"]);
    expect(carol.acknowledged).toBe('answer to the change');
    expect(incoming.session.requests.map(({ body }) => body.trim())).toEqual(['SIP/2.0 100 Trying', 'SIP/2.0 200 OK']);
    expect(incoming.session.end_?.by).toBe('us');
    expect(out.session.end_).toBeUndefined();
    carol.session.over({ by: 'peer' });
    await exchange.settle();
    expect(out.session.end_).toBeDefined();
    expectNothingLeft(exchange);
  });

  it('goes on where the one that asked hangs up as soon as it hears of it', async () => {
    const exchange = new TestExchange(allowed);
    const { incoming, out } = await talking(exchange);
    incoming.session.onAsked = (_method, body) => {
      if (body.includes('200 OK')) incoming.session.over({ by: 'peer' });
    };
    await incoming.session.asks('REFER', refer(`sip:carol@${home}`));
    const carol = await exchange.pbx.call(2);
    carol.answers("carol's offer");
    await exchange.settle();
    expect([out.session.end_, carol.session.end_]).toEqual([undefined, undefined]);
    await exchange.calls.close();
    expectNothingLeft(exchange);
  });

  it('leaves the call as it was where the target does not answer', async () => {
    const exchange = new TestExchange(allowed);
    const { incoming, out } = await talking(exchange);
    await incoming.session.asks('REFER', refer(`sip:carol@${home}`));
    (await exchange.pbx.call(2)).refuse(reply(486));
    await exchange.settle();
    expect(incoming.session.requests.at(-1)?.body).toContain('486');
    expect([incoming.session.end_, out.session.end_]).toEqual([undefined, undefined]);
    expect((await incoming.session.asks('REFER', refer(`sip:carol@${home}`))).status).toBe(403);
    await exchange.calls.close();
    expectNothingLeft(exchange);
  });
});
