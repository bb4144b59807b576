import type { GatewayProcess } from './gateway.ts';

/** What a gateway holds at one moment. */
export interface Sample {
  /** Bytes by kind. */
  readonly memory: Readonly<Record<string, number>>;
  /** Sockets, timers and so on, by Node's name for them. */
  readonly resources: Readonly<Record<string, number>>;
  /** What a load brings and takes with it: streams, sessions, messages. */
  readonly held: Readonly<Record<string, number>>;
}

/** A share by which memory may differ between two thirds of a run. */
const mostGrowth = 0.1;
/** What V8's young generation may take besides, once and for good, whenever it sees fit: three halves of 16 MiB. */
const youngGeneration = 48 * 2 ** 20;
/** Samples without which nothing can be said: a third of them is warm-up. */
const fewest = 90;

const metrics: Readonly<Record<string, keyof Sample>> = {
  drawbridge_memory_bytes: 'memory',
  drawbridge_resources: 'resources',
  drawbridge_streams: 'held',
  drawbridge_clients: 'held',
  drawbridge_queued_stanzas: 'held',
  drawbridge_outbox_messages: 'held',
};

export async function readSample(gateway: GatewayProcess): Promise<Sample> {
  const sample: Record<keyof Sample, Record<string, number>> = { memory: {}, resources: {}, held: {} };
  for (const [, name = '', label, value] of (await gateway.metrics()).matchAll(
    /^(\w+)(?:\{\w+="([^"]*)"\})? ([\d.e+-]+)$/gm,
  )) {
    const part = metrics[name];
    if (part !== undefined) sample[part][label ?? name] = Number(value);
  }
  return sample;
}

/**
 * Memory that grew from the second third of the samples to the last one; the first is warm-up. Of a saw the collector
 * leaves the feet, and these are compared: the lowest tenth of each third.
 */
export function grown(samples: readonly Sample[]): string[] {
  if (samples.length < fewest) return [];
  const third = Math.floor(samples.length / 3);
  const [middle, last] = [samples.slice(third, 2 * third), samples.slice(-third)];
  return Object.keys(samples[0]?.memory ?? {}).flatMap((kind) => {
    const [from, to] = [middle, last].map((part) => foot(part.map(({ memory }) => memory[kind] ?? 0)));
    if (from === undefined || to === undefined) return [];
    if (to <= from * (1 + mostGrowth) + (kind === 'rss' ? youngGeneration : 0)) return [];
    return [`${kind} grew from ${from} to ${to} bytes`];
  });
}

function foot(values: readonly number[]): number | undefined {
  return values.toSorted((one, other) => one - other)[Math.floor(values.length / 10)];
}
