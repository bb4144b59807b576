import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { measureCalls, runCallRounds } from '../../bench/call-cost.ts';
import { measureCallHeap, weighable } from '../../bench/call-heap.ts';
import { LoadProcess } from '../../bench/load/load-process.ts';
import { directions, type Ground } from '../../bench/rigs/rig.ts';
import { sipRig } from '../../bench/rigs/sip-rig.ts';
import { runRounds } from '../../bench/rounds.ts';
import { callFigures, callTable, heapFigures, messageFigures, messageTable } from '../../bench/sip-report.ts';
import { World } from '../world.ts';

const load = { flood: { ms: 20 }, paced: { ms: 50, rate: 1_000 } };
const note = (): void => {};

/** The bench of npm run bench -- sip with the least of everything: that all of it arrives and is counted, not what it costs. */
describe('The SIP bench', () => {
  let world: World;
  let ground: Ground;

  beforeAll(async () => {
    world = await World.start();
    ground = { world, partner: world.own(new LoadProcess()), home: world.own(new LoadProcess()), acks: false };
  });
  afterAll(() => world?.close());

  it('sends messages both ways through gateways, and compares them', async () => {
    const open = (name: string, settings: string) => sipRig(ground, { name, label: name, settings });
    const forgetful = await open('forgetful', 'outbox: { keep: false }');
    const durable = await open('durable', 'store: { fsync: commit }');
    const results = await runRounds([forgetful, durable], { rounds: 1, warmUp: load, load, note });
    const hops = { forgetful, durable, drachtio: undefined };
    for (const direction of directions) {
      for (const rig of [forgetful, durable]) {
        // What is sent and does not arrive fails the run; nothing arrives twice.
        expect(results.median(rig, direction, 'paced', 'count')).toBe(50);
        expect(results.median(rig, direction, 'flood', 'cpu')).toBeGreaterThan(0);
      }
      expect(messageTable(hops, results, direction).split('\n')).toHaveLength(4);
    }
    const figures = messageFigures(hops, results);
    expect(figures.filter(({ value }) => Number.isNaN(value))).toEqual([]);
    expect(figures.filter(({ target }) => target !== null).map(({ name, target }) => [name, target])).toEqual([
      ['MESSAGE→XMPP, flood: forgetful', 40],
      ['MESSAGE→XMPP, paced: forgetful', 100],
    ]);
  });

  it('makes calls of two legs', async () => {
    const rig = await sipRig(ground, { name: 'calls', label: 'calls' });
    const { count, cpuMs, perSecond, repeated } = await measureCalls(rig, { ms: 100, rate: 100 });
    expect([count, repeated]).toEqual([10, 0]);
    expect(cpuMs).toBeGreaterThan(0);
    expect(perSecond).toBeGreaterThan(0);
    const results = await runCallRounds(rig, {
      rounds: 1,
      load: { flood: { ms: 20 }, paced: { ms: 50, rate: 100 } },
      note,
    });
    expect(results.sum('paced', 'count')).toBe(5);
    expect(callTable(results).split('\n')).toHaveLength(4);
    const figures = callFigures(results, 100);
    expect(figures.filter(({ value }) => Number.isNaN(value))).toEqual([]);
    expect(figures.flatMap(({ target }) => target ?? [])).toEqual([0.4, 600, 0]);
  });

  it('weighs calls that stand', async () => {
    const rig = await sipRig(ground, { name: 'heap', label: 'heap', nodeArguments: weighable });
    const heap = await measureCallHeap(rig, 50, false);
    // So few weigh less than what the first collections find elsewhere.
    expect(heap.fresh).not.toBeNaN();
    expect(heapFigures(heap, 50)).toMatchObject([{ target: 8 }]);
    expect(heapFigures({ fresh: 1, settled: 1, ended: 1 }, 50)).toHaveLength(3);
  });
});
