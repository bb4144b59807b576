import { describe, expect, it } from 'vitest';
import type { Notifier, SubscribeResult } from '../port.ts';
import { type Agent, Pair } from './testing/agents.ts';

const text = (content: string): { type: string; content: Buffer } => ({
  type: 'text/plain',
  content: Buffer.from(content),
});

/** a asks b for its presence. */
function subscribe({ agent, trunk, outbound }: Agent, expires: number): Promise<SubscribeResult> {
  return agent.subscribe(trunk, outbound, {
    target: 'sip:bob@b.example',
    from: { uri: 'sip:alice@a.example' },
    to: { uri: 'sip:bob@b.example' },
    event: 'presence',
    expires,
  });
}

async function standing(pair: Pair): Promise<{
  readonly result: SubscribeResult & { readonly ok: true };
  readonly notifier: Notifier;
  readonly told: string[];
}> {
  let notifier: Notifier | undefined;
  pair.b.subscribed = {
    accept: true,
    expires: 600,
    notifier: (given) => {
      notifier = given;
      void given.notify(text('open'));
    },
  };
  const asked = subscribe(pair.a, 3_600);
  await pair.run();
  const result = await asked;
  if (!result.ok || notifier === undefined) throw new Error('It was refused.');
  const told: string[] = [];
  result.subscription.onNotify = async ({ state, body }) => {
    told.push(`${state} ${body?.content.toString() ?? ''}`.trim());
    return { status: 200 };
  };
  await pair.run();
  return { result, notifier, told };
}

describe('a subscription between two user agents', () => {
  it('tells what changes until it is ended', async () => {
    const pair = new Pair();
    const { result, notifier, told } = await standing(pair);
    await pair.run(5_000);
    void notifier.notify(text('closed'));
    await pair.run();
    const ended = result.subscription.end();
    await pair.run();
    await ended;
    expect(told).toEqual(['active open', 'active closed', 'terminated closed']);
    expect(await notifier.ended).toBe('unsubscribed');
    await pair.nothingLeft();
  });

  it('is refreshed for as long as nobody ends it', async () => {
    const pair = new Pair();
    const { result, notifier, told } = await standing(pair);
    await pair.run(3 * 600_000);
    const refreshes = pair.wire.record.filter(({ what }) => what === 'SUBSCRIBE').length - 1;
    expect([refreshes, told.length]).toEqual([3, 4]);
    void notifier.notify(undefined, { terminated: 'noresource' });
    await pair.run();
    expect(await result.subscription.ended).toBe('noresource');
    await pair.nothingLeft();
  });

  it('outlives its connection', async () => {
    const pair = new Pair();
    const { result, notifier, told } = await standing(pair);
    pair.wire.cut();
    await pair.run(5_000);
    void notifier.notify(text('closed'));
    await pair.run();
    expect(told).toEqual(['active open', 'active closed']);
    const ended = result.subscription.end();
    await pair.run();
    await ended;
    await pair.nothingLeft();
  });

  it('stands where the first NOTIFY overtakes the 2xx', async () => {
    const pair = new Pair();
    pair.wire.fate = ({ what }) => (what === '200 SUBSCRIBE' ? 15 : 1);
    const { told, notifier } = await standing(pair);
    expect(told).toEqual(['active open']);
    void notifier.notify(undefined, { terminated: 'giveup' });
    await pair.run();
    await pair.nothingLeft();
  });

  it('ends on both sides with the stop of either', async () => {
    for (const side of ['a', 'b'] as const) {
      const pair = new Pair();
      const { result, notifier } = await standing(pair);
      pair[side].agent.close();
      await pair.run();
      const stopped = side === 'a' ? ['ended', 'unsubscribed'] : ['deactivated', 'stopped'];
      // The last NOTIFY to one that has stopped finds nothing.
      expect([await result.subscription.ended, await notifier.ended]).toEqual(stopped);
      await pair.nothingLeft();
    }
  });

  it('is refused as the other side says', async () => {
    const pair = new Pair();
    const asked = subscribe(pair.a, 3_600);
    await pair.run();
    expect(await asked).toMatchObject({ ok: false, reply: { status: 489, origin: 'peer' } });
    await pair.nothingLeft();
  });
});
