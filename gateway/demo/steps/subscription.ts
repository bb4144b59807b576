import type { Element } from 'ltx';
import type { DemoClient } from '../client.ts';
import type { Scene } from '../scene.ts';
import type { Step } from '../step.ts';

export const subscription: Step<Scene> = {
  name: 'mutual subscription',
  expected: 'both rosters say `both`',
  async look({ cast: { alice, bob } }, signal) {
    await subscribe(alice, bob, signal);
    await subscribe(bob, alice, signal);
    const [hers, his] = await Promise.all([pushed(alice, bob, signal), pushed(bob, alice, signal)]);
    return {
      holds: hers === 'both' && his === 'both',
      seen: `alice's roster: bob ${hers}; bob's roster: alice ${his}`,
    };
  },
};

/** RFC 6121 §3.1: `one` asks, `other` grants. */
async function subscribe(one: DemoClient, other: DemoClient, signal: AbortSignal): Promise<void> {
  one.send(`<presence to='${other.bareJid}' type='subscribe'/>`);
  await other.received.find(
    `the request of ${one.bareJid}`,
    ({ name, attrs }) => name === 'presence' && attrs.type === 'subscribe' && attrs.from === one.bareJid,
    0,
    signal,
  );
  other.send(`<presence to='${one.bareJid}' type='subscribed'/>`);
}

/** What the roster of `one` says of `other` once it says the last word. */
async function pushed(one: DemoClient, other: DemoClient, signal: AbortSignal): Promise<string> {
  const stateIn = (stanza: Element): string =>
    stanza
      .getChild('query', 'jabber:iq:roster')
      ?.getChildren('item')
      .find(({ attrs }) => attrs.jid === other.bareJid)?.attrs.subscription ?? '';
  const push = await one.received.find(
    `the last roster push to ${one.bareJid}`,
    (stanza) => stanza.attrs.type === 'set' && stateIn(stanza) === 'both',
    0,
    signal,
  );
  return stateIn(push);
}
