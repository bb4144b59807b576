import type { Crowd } from './crowd.ts';
import type { Crowds } from './crowds.ts';
import type { GatewayProcess } from './gateway.ts';
import type { Direction, Relay } from './relay.ts';

/** Where nothing passes any more, and in which directions. */
export interface Stop {
  readonly relay: Relay;
  readonly directions: readonly Direction[];
}

/** Ways to kill a gateway (SIGKILL) in the middle of traffic; each resolves when it runs again. */
export function killing(gateway: GatewayProcess, crowds: Crowds) {
  const inFlow = async (): Promise<void> => {
    const gone = gateway.kill();
    crowds.interrupt();
    await gone;
    await gateway.start();
  };

  /** While nothing passes behind it, so that it holds all that a crowd may have under way; then the connections are gone too. */
  const inStandstill = async (crowd: Crowd, ...behind: readonly Stop[]): Promise<void> => {
    for (const { relay, directions } of behind) relay.pause(...directions);
    await crowd.filled();
    const killed = inFlow();
    for (const { relay } of behind) {
      relay.cut();
      relay.resume();
    }
    await killed;
  };

  return { inFlow, inStandstill };
}
