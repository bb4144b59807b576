import { clockUs } from './clock.ts';

/**
 * Sends so many, so many a second, each at its time; what comes meanwhile is taken in between. Resolves with the time
 * of the first; rejects with what `send` throws.
 */
export async function paced(rate: number, count: number, send: () => void): Promise<number> {
  // Node's timers know whole milliseconds only; this waits on a word that nobody changes, to the µs.
  const word = new Int32Array(new SharedArrayBuffer(4));
  const startUs = clockUs();
  for (let n = 0; n < count; n++) {
    const early = startUs + (n * 1e6) / rate - clockUs();
    if (early > 0) Atomics.wait(word, 0, 0, early / 1000);
    send();
    await new Promise((resolve) => setImmediate(resolve));
  }
  return startUs;
}
