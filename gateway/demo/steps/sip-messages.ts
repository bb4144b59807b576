import type { Scene } from '../scene.ts';
import type { Step } from '../step.ts';
import { statusText } from './status-text.ts';

const WORDS = 'Grüße aus dem Norden: 5 < 6 🏰';
const ANSWER = 'Hello Dora, over & out.';

export const sipMessages: Step<Scene> = {
  name: 'a SIP message each way',
  expected:
    "dora's MESSAGE arrives at alice word for word and is answered 200; alice's answer arrives at dora as MESSAGE, from alice's SIP URI",
  async look({ northwind, cast: { alice } }, signal) {
    const before = { alice: alice.received.mark(), northwind: northwind.received.mark(), clock: performance.now() };
    const reply = await northwind.write(`sip:${alice.bareJid}`, WORDS);
    if (reply.status !== 200) return { holds: false, seen: `dora → alice ${statusText(reply)}` };
    const got = await alice.received.find(
      `the message of ${northwind.jid}`,
      ({ name, attrs }) => name === 'message' && attrs.from === northwind.jid,
      before.alice,
      signal,
    );
    const ms = (performance.now() - before.clock).toFixed(1);
    alice.say(northwind.jid, ANSWER, 'sip-1');
    const answer = await northwind.received.find("alice's answer", () => true, before.northwind, signal);
    const whole = got.getChildText('body') === WORDS && answer.body?.content.toString() === ANSWER;
    const { method, target, from, to } = answer;
    const addressed = target === northwind.uri && to.uri === northwind.uri && isOf(from.uri, alice.bareJid);
    return {
      holds: whole && method === 'MESSAGE' && addressed,
      seen:
        `dora → alice ${ms} ms, ${statusText(reply)}; alice → dora: ${method} ${target}, From ${from.uri}` +
        `${whole ? '' : '; not as sent'}`,
    };
  },
};

/** Whether a URI is that of an address, with or without parameters. */
function isOf(uri: string, bareJid: string): boolean {
  return uri.split(';', 1)[0] === `sip:${bareJid}`;
}
