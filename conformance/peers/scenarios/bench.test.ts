import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { measureIdleMemory } from '../../bench/idle/idle-memory.ts';
import { LoadProcess } from '../../bench/load/load-process.ts';
import { measure } from '../../bench/measure.ts';
import { directRig } from '../../bench/rigs/direct-rig.ts';
import { gatewayRig } from '../../bench/rigs/gateway-rig.ts';
import { nodePipeRig } from '../../bench/rigs/pipe-rig.ts';
import { directions, type Ground, type Rig } from '../../bench/rigs/rig.ts';
import { modes, runRounds } from '../../bench/rounds.ts';
import { hopFigures, hopTable } from '../../bench/s2s-report.ts';
import { measureStartUp } from '../../bench/start-up.ts';
import { World } from '../world.ts';

const load = { flood: { ms: 20 }, paced: { ms: 50, rate: 1_000 } };

/** The bench of npm run bench -- s2s with the least of everything: that all of it arrives and is counted, not what it costs. */
describe('The bench', () => {
  let world: World;
  let ground: Ground;

  beforeAll(async () => {
    world = await World.start();
    ground = { world, partner: world.own(new LoadProcess()), home: world.own(new LoadProcess()), acks: false };
  });
  afterAll(() => world?.close());

  it('sends through hops that stand, and compares them', async () => {
    const open = (name: string, settings: string): Promise<Rig> => gatewayRig(ground, { name, label: name, settings });
    const [forgetful, durable, relaxed] = [
      await open('forgetful', 'outbox: { keep: false }'),
      await open('durable', 'store: { fsync: commit }'),
      await open('relaxed', 'store: { fsync: checkpoint }'),
    ];
    const [nodePipe, direct] = [await nodePipeRig(ground), await directRig(ground)];
    const all = [forgetful, durable, relaxed, nodePipe, direct];
    const rigs = {
      forgetful,
      durable,
      relaxed,
      nodePipe,
      direct,
      betweenProsodies: undefined,
      betweenEjabberds: undefined,
      prosody: undefined,
      ejabberd: undefined,
      haproxy: undefined,
      all,
    };
    const noted: string[] = [];
    const results = await runRounds(all, { rounds: 1, warmUp: load, load, note: (line) => noted.push(line) });
    expect(noted).toEqual([...all.map((rig) => `warming up: ${rig.name}`), 'round 1 of 1']);
    for (const direction of directions) {
      for (const rig of all) {
        // What is sent and does not arrive fails the run; nothing arrives twice.
        expect(results.median(rig, direction, 'paced', 'count')).toBe(50);
        expect(results.median(rig, direction, 'paced', 'p50')).toBeGreaterThan(0);
        if (rig !== direct) expect(results.median(rig, direction, 'flood', 'cpu')).toBeGreaterThan(0);
      }
      expect(hopTable(rigs, results, direction).split('\n')).toHaveLength(2 + all.length);
    }
    const figures = hopFigures(rigs, results);
    expect(figures.filter(({ value }) => Number.isNaN(value))).toEqual([]);
    expect(figures.filter(({ target }) => target !== null).map(({ name: of }) => of)).toEqual(
      directions.flatMap((direction) => [
        `flood ${direction}: durable / forgetful`,
        `flood ${direction}: relaxed / forgetful`,
        `paced ${direction}: forgetful / Node TLS byte pipe`,
      ]),
    );
  });

  it('speaks stream management where the partner is to have it', async () => {
    const rig = await gatewayRig({ ...ground, acks: true }, { name: 'acks', label: 'acks' });
    for (const direction of directions) {
      for (const mode of modes) {
        const { count, cpu } = await measure(rig, direction, load[mode]);
        expect(count).toBeGreaterThanOrEqual(50);
        expect(cpu).toBeGreaterThan(0);
      }
    }
  });

  it('weighs idle streams and idle sockets', async () => {
    const { gateway, bare } = await measureIdleMemory(world, 60);
    expect([gateway, bare].map(Number.isFinite)).toEqual([true, true]);
  });

  it('times starts', async () => {
    const home = { address: world.loopback.address(), ports: { component: 9 } };
    const gateway = await world.gateway({ home, homeDomains: ['start.example'], policies: {} });
    await gateway.stop();
    const { ready, node } = await measureStartUp(gateway.configFile, 1);
    expect(ready).toBeGreaterThan(0);
    expect(node).toBeGreaterThan(0);
  });
});
