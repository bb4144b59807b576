import { type Figure, figure, rounded } from './figure.ts';
import { type Direction, directions, type Rig } from './rigs/rig.ts';
import type { Rigs } from './rigs/rigs.ts';
import type { Mode, Results } from './rounds.ts';
import { tableLines } from './table.ts';

/** A row a hop. */
export function hopTable(rigs: Rigs, results: Results, direction: Direction): string {
  const title = direction === 'inbound' ? 'TLS in, component link out' : 'component link in, TLS out';
  const head = [title, 'flood: µs', 'a second', 'paced: µs', 'p50 µs', 'p99 µs', 'added p50', 'added p99'];
  const rows = rigs.all.map((rig) => {
    const of = (mode: Mode, what: 'cpu' | 'perSecond' | 'p50' | 'p99'): number =>
      results.median(rig, direction, mode, what);
    const added = (what: 'p50' | 'p99'): number =>
      rig === rigs.direct ? Number.NaN : of('paced', what) - results.median(rigs.direct, direction, 'paced', what);
    const numbers = [
      of('flood', 'cpu'),
      of('flood', 'perSecond'),
      of('paced', 'cpu'),
      of('paced', 'p50'),
      of('paced', 'p99'),
      added('p50'),
      added('p99'),
    ];
    return [rig.name, ...numbers.map((number) => (Number.isNaN(number) ? '–' : String(rounded(number))))];
  });
  return tableLines(head, rows).join('\n');
}

/** What the hops are held to, and what the tables show. */
export function hopFigures(rigs: Rigs, results: Results): Figure[] {
  return directions.flatMap((direction) => [
    ...rigs.all.flatMap((rig) => measured(rig, rigs, results, direction)),
    ...comparisons(rigs).map(({ mode, of, to, atMost }) => {
      const name = `${mode} ${direction}: ${of.name} / ${to.name}`;
      return figure(name, results.ratio(of, to, direction, mode), 'ratio', atMost);
    }),
  ]);
}

function measured(rig: Rig, { direct }: Rigs, results: Results, direction: Direction): Figure[] {
  const of = (mode: Mode, what: 'cpu' | 'perSecond' | 'p50' | 'p99') => results.median(rig, direction, mode, what);
  const latency = (what: 'p50' | 'p99'): Figure => {
    const base = results.median(direct, direction, 'paced', what);
    return figure(`paced ${direction}: ${rig.name}, added latency ${what}`, of('paced', what) - base, 'µs');
  };
  if (rig === direct) return [];
  return [
    figure(`flood ${direction}: ${rig.name}`, of('flood', 'cpu'), 'CPU-µs/stanza'),
    figure(`flood ${direction}: ${rig.name}, throughput`, of('flood', 'perSecond'), 'stanzas/s'),
    figure(`paced ${direction}: ${rig.name}`, of('paced', 'cpu'), 'CPU-µs/stanza'),
    latency('p50'),
    latency('p99'),
  ];
}

interface Comparison {
  readonly mode: Mode;
  readonly of: Rig;
  readonly to: Rig;
  readonly atMost: number;
}

/** The targets of the project, as far as the peers are there. */
function comparisons({ forgetful, durable, relaxed, prosody, ejabberd, nodePipe }: Rigs): Comparison[] {
  return [
    ...(prosody ? [{ mode: 'flood' as const, of: forgetful, to: prosody, atMost: 1 / 8 }] : []),
    ...(ejabberd ? [{ mode: 'flood' as const, of: forgetful, to: ejabberd, atMost: 1 / 3 }] : []),
    { mode: 'flood', of: durable, to: forgetful, atMost: 2 },
    { mode: 'flood', of: relaxed, to: forgetful, atMost: 2 },
    { mode: 'paced', of: forgetful, to: nodePipe, atMost: 1.4 },
  ];
}
