import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { median } from './median.ts';

const launcher = process.env.DRAWBRIDGE_MAIN ?? fileURLToPath(new URL('../../gateway/drawbridge.js', import.meta.url));

/** Medians, ms. */
export interface StartUp {
  /** From the spawn of `drawbridge run` to its ready line. */
  readonly ready: number;
  /** From the spawn to the end of `node -e 0`. */
  readonly node: number;
}

/** Starts the gateway of this configuration so many times, and by turns Node alone. No other gateway may be running on it. */
export async function measureStartUp(configFile: string, times: number): Promise<StartUp> {
  const ready: number[] = [];
  const node: number[] = [];
  for (let n = 0; n < times; n++) {
    node.push(await timed(['-e', '0'], 'exit'));
    ready.push(await timed([launcher, 'run', '-c', configFile], 'line'));
  }
  return { ready: median(ready), node: median(node) };
}

async function timed(args: readonly string[], until: 'line' | 'exit'): Promise<number> {
  const start = performance.now();
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'ignore'] });
  const exit = once(child, 'exit');
  try {
    const line = once(createInterface(child.stdout), 'line');
    const early = exit.then(() => {
      if (until === 'line') throw new Error('the gateway ended before it was ready');
    });
    await Promise.race(until === 'line' ? [line, early] : [exit]);
    early.catch(() => {}); // ended by us, below
    return performance.now() - start;
  } finally {
    child.kill('SIGTERM');
    await exit;
  }
}
