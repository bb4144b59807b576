import { setTimeout as delay } from 'node:timers/promises';
import { NumberedMessages } from '../numbered-messages.ts';
import type { Organisation } from '../organisation.ts';
import type { Scene } from '../scene.ts';
import type { Step } from '../step.ts';

/** Messages each way, and how many of them have arrived when the gateway is killed. */
const MESSAGES = 150;
const KILLED_AT = 50;
/** Messages that a user sends in one go, and ms between two goes: well below the rate that contoso.example allows. */
const GO = 3;
const PACE_MS = 60;

export const crashLosesNothing: Step<Scene> = {
  name: 'a killed gateway loses nothing',
  expected: `of ${MESSAGES} messages each way every one is received once or bounced, though the gateway is killed (-9) amid them`,
  limitMs: 30_000,
  async look({ contoso, cast: { alice, bob } }, signal) {
    const before = alice.resumed;
    const out = new NumberedMessages('out', alice, bob);
    const back = new NumberedMessages('back', bob, alice);
    try {
      const [{ killedAt, ms }] = await Promise.all([crash(contoso, [out, back], signal), send([out, back], signal)]);
      for (const flow of [out, back]) await flow.until('the last message', () => flow.lost === 0, signal);
      // The order of a pair of domains is kept: had something been sent twice, it would come ahead of this.
      for (const flow of [out, back]) {
        flow.send();
        await flow.until('a message behind the last', () => flow.lost === 0, signal);
      }
      const whole = [out, back].every(({ lost, twice, overtaken }) => lost + twice + overtaken === 0);
      return {
        holds: whole,
        seen: [
          `kill -9 after ${killedAt}, ready again in ${Math.round(ms)} ms`,
          `alice ${alice.resumed > before ? 'resumed' : 'began anew'}`,
          `${out}; ${back}`,
          ...(whole ? ['none lost, none twice, order kept'] : []),
        ].join('; '),
      };
    } finally {
      out.close();
      back.close();
    }
  },
};

/** Kills the gateway when the first messages have arrived each way, and starts it again, in `ms`. */
async function crash(
  { daemon }: Organisation,
  flows: readonly NumberedMessages[],
  signal: AbortSignal,
): Promise<{ killedAt: string; ms: number }> {
  const amid = flows.map((flow) => flow.until('the first messages', () => flow.received >= KILLED_AT, signal));
  await Promise.all(amid);
  const killedAt = flows.map(({ received }) => received).join(' and ');
  await daemon.kill();
  return { killedAt, ms: (await daemon.start()).ms };
}

/** All but one: that comes behind the others. */
async function send(flows: readonly NumberedMessages[], signal: AbortSignal): Promise<void> {
  for (let left = MESSAGES - 1; left > 0; left -= GO) {
    for (const flow of flows) for (let go = Math.min(GO, left); go > 0; go -= 1) flow.send();
    await delay(PACE_MS, undefined, { signal });
  }
}
