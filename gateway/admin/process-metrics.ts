import type { Metric } from './metrics.ts';

/** What the process itself holds: for finding what grows. */
export const processMetrics: readonly Metric[] = [
  {
    name: 'drawbridge_memory_bytes',
    help: 'Memory of the process: resident, of JavaScript objects, and of buffers and other things outside of them.',
    labels: ['kind'],
    *read() {
      const { rss, heapUsed, external } = process.memoryUsage();
      for (const [kind, value] of Object.entries({ rss, heapUsed, external })) yield { labels: { kind }, value };
    },
  },
  {
    name: 'drawbridge_resources',
    help: 'Sockets, timers and other things that keep the process running, by the name that Node gives them.',
    labels: ['kind'],
    *read() {
      for (const [kind, found] of Map.groupBy(process.getActiveResourcesInfo(), (name) => name))
        yield { labels: { kind }, value: found.length };
    },
  },
];
