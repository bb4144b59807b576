import type { Figure } from './figure.ts';
import { benchScanner } from './scanner.ts';

const benches: Readonly<Record<string, () => Figure[] | Promise<Figure[]>>> = { scanner: benchScanner };

/** `npm run bench -- NAME [--json]`: the figures as a table, and with `--json` as one line at the end. */
const [name = '', ...options] = process.argv.slice(2);
const bench = benches[name];
if (bench === undefined) {
  console.error(`usage: npm run bench -- ${Object.keys(benches).join('|')} [--json]`);
  process.exitCode = 2;
} else {
  const figures = await bench();
  console.table(Object.fromEntries(figures.map(({ name: figure, ...rest }) => [figure, rest])));
  if (options.includes('--json')) console.log(JSON.stringify({ bench: name, figures }));
}
