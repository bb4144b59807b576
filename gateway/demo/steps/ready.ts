import type { Scene } from '../scene.ts';
import type { Step } from '../step.ts';

export const ready: Step<Scene> = {
  name: 'both gateways ready',
  expected: 'both accept, and three users sign in over TLS by SCRAM-SHA-256, bound to the channel',
  essential: true,
  limitMs: 25_000,
  async look(scene, signal) {
    const [one, other] = await scene.open(signal);
    const mechanisms = new Set(Object.values(scene.cast).map(({ mechanism }) => mechanism));
    return {
      holds: [...mechanisms].join() === 'SCRAM-SHA-256-PLUS',
      seen:
        `in ${Math.round(one)} and ${Math.round(other)} ms; ` +
        `alice, ceo and bob signed in by ${[...mechanisms].join(', ') || 'nothing'}`,
    };
  },
};
