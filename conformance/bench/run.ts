import { readArguments } from './arguments.ts';
import type { Bench, Output } from './bench.ts';
import type { Figure } from './figure.ts';
import { rounded } from './figure.ts';
import { benchS2s } from './s2s.ts';
import { benchScanner } from './scanner.ts';
import { benchSip } from './sip.ts';
import { sipJsParser } from './sip-js-parser.ts';
import { benchSipParse } from './sip-parse.ts';
import { tableLines } from './table.ts';

const benches: Readonly<Record<string, Bench>> = {
  s2s: benchS2s,
  sip: benchSip,
  scanner: benchScanner,
  'sip-parse': () => benchSipParse([sipJsParser()]),
};

/** As shells report the end by an interrupt. */
const interruptedExit = 130;

/**
 * `npm run bench -- NAME [--json] [--quick] [--acks]`: the figures as a table, and with `--json` as one line at the end.
 * Progress goes to standard error.
 */
const args = readArguments(process.argv.slice(2));
const bench = args && benches[args.name];
if (args === undefined || bench === undefined) {
  console.error(`usage: npm run bench -- ${Object.keys(benches).join('|')} [--json] [--quick] [--acks]`);
  process.exitCode = 2;
} else {
  const interrupt = new AbortController();
  process.once('SIGINT', () => interrupt.abort(new Error('interrupted')));
  try {
    const figures = await bench(args, outputOf(interrupt.signal));
    console.log(figureTable(figures));
    if (args.json) console.log(JSON.stringify({ bench: args.name, figures }));
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = interrupt.signal.aborted ? interruptedExit : 1;
  }
}

function outputOf(interrupted: AbortSignal): Output {
  const start = performance.now();
  return {
    print: (line) => console.log(`${line}\n`),
    note: (line) => console.error(`${Math.round((performance.now() - start) / 1000)} s: ${line}`),
    interrupted,
  };
}

function figureTable(figures: readonly Figure[]): string {
  const rows = figures.map(({ name, value, unit, target, least, met }) => [
    name,
    String(value),
    unit,
    target === null ? '' : `${least ? '≥' : '≤'} ${rounded(target)}`,
    met === null ? '' : met ? 'met' : 'MISSED',
  ]);
  return tableLines(['figure', 'value', 'unit', 'target', ''], rows).join('\n');
}
