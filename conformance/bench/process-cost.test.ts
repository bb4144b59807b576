import { expect, it } from 'vitest';
import { cpuTime, residentMemory, ticksOf } from './process-cost.ts';

it('reads user and system time behind a process name that holds brackets and blanks', () => {
  const fields = ['S', ...Array.from({ length: 10 }, (_, n) => String(n)), '700', '42', '99', '98'];
  expect(ticksOf(`4711 (a) b ( c) ${fields.join(' ')}`)).toBe(742);
});

it('sees the CPU time of this process grow with its work', () => {
  const before = cpuTime(process.pid);
  const { user, system } = process.cpuUsage();
  while (process.cpuUsage({ user, system }).user < 20_000) Math.hypot(1, 2);
  expect(cpuTime(process.pid) - before).toBeGreaterThan(10_000_000);
});

it('sees the memory of this process', () => {
  expect(residentMemory(process.pid) / process.memoryUsage.rss()).toBeCloseTo(1, 0);
});
