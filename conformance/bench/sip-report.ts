import type { CallMode, CallResults } from './call-cost.ts';
import type { CallHeap } from './call-heap.ts';
import { type Figure, figure, figureAtLeast, rounded } from './figure.ts';
import type { Direction, Rig } from './rigs/rig.ts';
import { modes, type Results } from './rounds.ts';
import { tableLines } from './table.ts';

/** The hops that messages are measured through. */
export interface SipHops {
  /** This gateway, keeping nothing of what is under way; and as it comes, with its outbox. */
  readonly forgetful: Rig;
  readonly durable: Rig;
  /** A relay over drachtio-srf, where a drachtio server is. */
  readonly drachtio: Rig | undefined;
}

const ways = {
  inbound: 'MESSAGE→XMPP',
  outbound: 'XMPP→MESSAGE',
} as const satisfies Record<Direction, string>;

/** CPU-µs that one MESSAGE may cost on its way in. */
const most = { flood: 40, paced: 100 } as const;

/** A row a hop. */
export function messageTable(hops: SipHops, results: Results, direction: Direction): string {
  const rows = rigsOf(hops).map((rig) => {
    const of = (mode: 'flood' | 'paced', what: 'cpu' | 'perSecond'): string =>
      String(rounded(results.median(rig, direction, mode, what)));
    return [rig.name, of('flood', 'cpu'), of('flood', 'perSecond'), of('paced', 'cpu')];
  });
  return tableLines([ways[direction], 'flood: µs', 'a second', 'paced: µs'], rows).join('\n');
}

/** What messages cost, held to what the project wants of a gateway that keeps nothing; its outbox may double that. */
export function messageFigures(hops: SipHops, results: Results): Figure[] {
  const { forgetful, durable, drachtio } = hops;
  return (['inbound', 'outbound'] as const).flatMap((direction) => [
    ...rigsOf(hops).flatMap((rig) => [
      ...modes.map((mode) => {
        const target = rig === forgetful && direction === 'inbound' ? most[mode] : null;
        const name = `${ways[direction]}, ${mode}: ${rig.name}`;
        return figure(name, results.median(rig, direction, mode, 'cpu'), 'CPU-µs/message', target);
      }),
      figure(
        `${ways[direction]}: ${rig.name}, throughput`,
        results.median(rig, direction, 'flood', 'perSecond'),
        'messages/s',
      ),
    ]),
    figure(
      `${ways[direction]}, flood: ${durable.name} / ${forgetful.name}`,
      results.ratio(durable, forgetful, direction, 'flood'),
      'ratio',
    ),
    ...(drachtio === undefined
      ? []
      : modes.map((mode) =>
          figure(
            `${ways[direction]}, ${mode}: ${forgetful.name} / ${drachtio.name}`,
            results.ratio(forgetful, drachtio, direction, mode),
            'ratio',
          ),
        )),
  ]);
}

/** A row a mode. */
export function callTable(results: CallResults): string {
  const rows = (['paced', 'flood'] as const).map((mode) => {
    const of = (what: 'cpuMs' | 'perSecond' | 'p50' | 'p99'): string => String(rounded(results.median(mode, what)));
    const sum = (what: 'count' | 'shed' | 'repeated'): string => String(results.sum(mode, what));
    return [mode, of('perSecond'), of('cpuMs'), of('p50'), of('p99'), sum('count'), sum('shed'), sum('repeated')];
  });
  const head = ['calls of two legs', 'a second', 'CPU ms', 'p50 ms', 'p99 ms', 'calls', 'shed', 'repeated 2xx'];
  return tableLines(head, rows).join('\n');
}

export function callFigures(results: CallResults, pacedRate: number): Figure[] {
  const cpu = (mode: CallMode, what: string, target: number | null): Figure =>
    figure(`two-leg call, ${what}`, results.median(mode, 'cpuMs'), 'CPU-ms/call', target);
  return [
    cpu('flood', 'flood', 0.4),
    cpu('paced', `at ${pacedRate}/s`, null),
    figureAtLeast('two-leg calls, flood, one core', results.median('flood', 'perSecond'), 'calls/s', 600),
    figure(`two-leg calls at ${pacedRate}/s and in the flood, repeated 2xx`, repeated(results), 'responses', 0),
    figure(`two-leg call at ${pacedRate}/s, set-up p50`, results.median('paced', 'p50'), 'ms'),
    figure(`two-leg call at ${pacedRate}/s, set-up p99`, results.median('paced', 'p99'), 'ms'),
  ];
}

/** What calls weigh. */
export function heapFigures({ fresh, settled, ended }: CallHeap, count: number): Figure[] {
  const kib = (bytes: number): number => bytes / 1024;
  return [
    figure(`two-leg call just set up, heap, of ${count}`, kib(fresh), 'KiB', 8),
    ...(settled === undefined ? [] : [figure(`two-leg call of some time, heap, of ${count}`, kib(settled), 'KiB', 8)]),
    ...(ended === undefined ? [] : [figure(`two-leg call that is over, heap, of ${count}`, kib(ended), 'KiB')]),
  ];
}

function repeated(results: CallResults): number {
  return results.sum('paced', 'repeated') + results.sum('flood', 'repeated');
}

function rigsOf({ forgetful, durable, drachtio }: SipHops): Rig[] {
  return [forgetful, durable, ...(drachtio === undefined ? [] : [drachtio])];
}
