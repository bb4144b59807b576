import { randomInt } from 'node:crypto';
import { expect, test } from 'vitest';
import { fuzzSip } from './sip.fuzz.ts';

/** About two seconds. */
const CASES = 40_000;

test('the SIP message layer keeps its promises under fuzzing', () => {
  const seed = Number(process.env.FUZZ_SEED ?? randomInt(2 ** 31));
  // Printed so that a failure can be repeated with FUZZ_SEED.
  console.log(`FUZZ_SEED=${seed}`);
  const { sound, refused, faults } = fuzzSip(seed, CASES);
  expect(sound).toBeGreaterThan(CASES / 10);
  expect(refused).toBeGreaterThan(CASES / 10);
  expect(faults).toBeGreaterThan(CASES / 10);
});
