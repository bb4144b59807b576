import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/**
 * Preloaded (`--import`) into a process whose memory is measured: SIGUSR2 collects its garbage and says so with a line on
 * standard error, and how much of its heap is in use then. V8 shows its collector to contexts that are made after the flag is set.
 */
setFlagsFromString('--expose-gc');
const collect: typeof globalThis.gc = runInNewContext('gc');
process.on('SIGUSR2', () => {
  collect?.({ type: 'major', execution: 'sync' });
  const { heapUsed, external } = process.memoryUsage();
  process.stderr.write(`heap ${heapUsed} external ${external}\ncollected\n`);
});
