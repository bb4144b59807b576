import type { DemoClient } from '../client.ts';
import type { Scene } from '../scene.ts';
import type { Step } from '../step.ts';

export const chat: Step<Scene> = {
  name: 'a chat each way',
  expected: 'what alice and bob write arrives at the other, word for word',
  async look({ cast: { alice, bob } }, signal) {
    const there = await write(alice, bob, 'Grüße, Bob! 🏰 <drawbridge> & moat', 'chat-1', signal);
    const back = await write(bob, alice, 'Hello Alice, the bridge is down.', 'chat-2', signal);
    return {
      holds: there.whole && back.whole,
      seen: `alice → bob ${there.text}, bob → alice ${back.text}`,
    };
  },
};

async function write(
  from: DemoClient,
  to: DemoClient,
  words: string,
  id: string,
  signal: AbortSignal,
): Promise<{ whole: boolean; text: string }> {
  const before = to.received.mark();
  const sent = performance.now();
  from.say(to.bareJid, words, id);
  const got = await to.received.find(
    `the message of ${from.bareJid}`,
    ({ name, attrs }) => name === 'message' && attrs.id === id,
    before,
    signal,
  );
  const whole = got.getChildText('body') === words && got.attrs.from === from.jid;
  return { whole, text: `${whole ? '' : 'not as sent, '}${(performance.now() - sent).toFixed(1)} ms` };
}
