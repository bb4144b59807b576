import { having } from '../log-line.ts';
import { NumberedMessages } from '../numbered-messages.ts';
import { BURST } from '../policies.ts';
import type { Scene } from '../scene.ts';
import type { Step } from '../step.ts';
import { ruleText } from './rule-text.ts';

/** Messages at once: several times what contoso.example lets through. */
const FLOOD = 6 * BURST;
const CONDITION = 'resource-constraint';
/** What was said just before counts too, and the rate is earned in lots. */
const SLACK = BURST / 5;

export const floodThrottled: Step<Scene> = {
  name: 'a flood throttled',
  expected: `of ${FLOOD} messages at once some ${BURST} pass, and ${BURST} a second; all others come back with ${CONDITION}`,
  async look({ contoso, cast: { alice, bob } }, signal) {
    const before = { log: contoso.daemon.log.mark(), clock: performance.now() };
    const flood = new NumberedMessages('flood', bob, alice);
    try {
      while (flood.sent < FLOOD) flood.send();
      await flood.until('the end of the flood', () => flood.received + flood.bounced >= FLOOD, signal);
      const seconds = (performance.now() - before.clock) / 1000;
      const refused = having({ event: 'stanza-refused', reason: 'rate-messages' });
      const line = await contoso.daemon.log.find('a refusal in the log', refused, before.log, signal);
      const { received, lost, twice, conditions } = flood;
      const allowed = BURST * (1 + seconds) + SLACK;
      const throttled = received >= BURST - SLACK && received <= allowed && received < FLOOD;
      return {
        holds: throttled && lost + twice === 0 && conditions.join() === CONDITION,
        seen: `${flood}; ${ruleText(line)}`,
      };
    } finally {
      flood.close();
    }
  },
};
