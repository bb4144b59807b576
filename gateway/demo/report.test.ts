import { expect, it } from 'vitest';
import { jsonReport, textReport } from './report.ts';

const good = { number: 1, name: 'a step', expected: 'this', seen: 'that, indeed', holds: true, ms: 12 };
const bad = { ...good, number: 2, holds: false, seen: 'nothing' };

it('tells of a step in one line, and of one that does not hold what was expected', () => {
  const report = textReport(false);
  expect(report.finding(good)).toMatch(/^ 1 ✓ a step +that, indeed$/);
  expect(report.finding(bad)).toMatch(/^ 2 ✗ a step *\n +expected: this\n +seen: +nothing$/);
  expect(report.closing([good], 1)).toBe('All 1 as they must be.');
  expect(report.closing([good, bad], 4)).toBe('1 of 4 as they must be, 2 not tried.');
});

it('uses colours where they show', () => {
  expect(textReport(true).finding(good)).toContain('\u001b[32m✓\u001b[39m');
});

it('tells of a step as one JSON object', () => {
  expect(JSON.parse(jsonReport.finding(bad))).toEqual({ event: 'step', ...bad });
  expect(JSON.parse(jsonReport.closing([good, bad], 4))).toEqual({ event: 'end', steps: 4, held: 1 });
});
