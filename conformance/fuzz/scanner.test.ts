import { randomInt } from 'node:crypto';
import { expect, test } from 'vitest';
import { fuzzScanner } from './scanner.fuzz.ts';

/** About two seconds. */
const CASES = 40_000;

test('the scanner keeps its promises under fuzzing', () => {
  const seed = Number(process.env.FUZZ_SEED ?? randomInt(2 ** 31));
  // Printed so that a failure can be repeated with FUZZ_SEED.
  console.log(`FUZZ_SEED=${seed}`);
  const { elements, faults } = fuzzScanner(seed, CASES);
  expect(elements).toBeGreaterThan(CASES / 10);
  expect(faults).toBeGreaterThan(CASES / 10);
});
