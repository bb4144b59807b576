import { expect, it } from 'vitest';
import { tableLines } from './table.ts';

it('A table has its names flush left, its numbers flush right, and no blanks at its end', () => {
  expect(
    tableLines(
      ['hop', 'µs', ''],
      [
        ['Prosody', '64', ''],
        ['pipe', '0.7', 'met'],
      ],
    ),
  ).toEqual([
    'hop       µs', //
    '───────  ───  ───',
    'Prosody   64',
    'pipe     0.7  met',
  ]);
});
