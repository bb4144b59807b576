import { once } from 'node:events';
import { World } from '../peers/world.ts';
import type { Output } from './bench.ts';

/** Does a stage in a world of its own, which ends with it, or when whoever waits does not want to any more. */
export async function inWorld<T>({ interrupted }: Output, stage: (world: World) => Promise<T>): Promise<T> {
  interrupted.throwIfAborted();
  const world = await World.start();
  try {
    const work = stage(world);
    work.catch(() => {}); // when interrupted it fails for want of a world
    return await Promise.race([work, interruption(interrupted)]);
  } finally {
    await world.close();
  }
}

async function interruption(signal: AbortSignal): Promise<never> {
  await once(signal, 'abort');
  throw signal.reason;
}
