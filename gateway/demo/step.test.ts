import { expect, it } from 'vitest';
import { Fault } from '../../policies/fault.ts';
import { type Finding, type Step, tour } from './step.ts';

const holding: Step<string> = {
  name: 'a step',
  expected: 'the scene',
  look: async (scene) => ({ holds: true, seen: `saw ${scene}` }),
};

async function taken(steps: readonly Step<string>[], signal = new AbortController().signal): Promise<Finding[]> {
  const findings: Finding[] = [];
  for await (const finding of tour(steps, 'it', signal)) findings.push(finding);
  return findings;
}

it('takes the steps in order and says what each saw', async () => {
  const other = { ...holding, name: 'another' };
  expect(await taken([holding, other])).toEqual([
    { number: 1, name: 'a step', expected: 'the scene', seen: 'saw it', holds: true, ms: expect.any(Number) },
    { number: 2, name: 'another', expected: 'the scene', seen: 'saw it', holds: true, ms: expect.any(Number) },
  ]);
});

it('goes on behind a step that does not hold', async () => {
  const failing: Step<string> = { ...holding, look: async () => ({ holds: false, seen: 'something else' }) };
  const findings = await taken([failing, holding]);
  expect(findings.map(({ holds, seen }) => [holds, seen])).toEqual([
    [false, 'something else'],
    [true, 'saw it'],
  ]);
});

it('ends behind an essential step that does not hold', async () => {
  const failing: Step<string> = { ...holding, essential: true, look: async () => ({ holds: false, seen: '' }) };
  expect(await taken([failing, holding])).toHaveLength(1);
});

it.each([
  [new Fault('tls-failed', 'No TLS.'), 'tls-failed: No TLS.'],
  [new Error('bob did not come'), 'bob did not come'],
])('what a step throws is what was seen', async (error, seen) => {
  const failing: Step<string> = { ...holding, look: () => Promise.reject(error) };
  expect(await taken([failing])).toMatchObject([{ holds: false, seen }]);
});

it('a step that waits too long does not hold', async () => {
  const waiting: Step<string> = {
    ...holding,
    limitMs: 10,
    look: (_scene, signal) =>
      new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(new Error('nothing came')))),
  };
  expect(await taken([waiting])).toMatchObject([{ holds: false, seen: 'nothing came within 0.01 s' }]);
});

it('gives up on a step that waits for ever', async () => {
  const deaf: Step<string> = { ...holding, limitMs: 10, look: () => new Promise(() => undefined) };
  expect(await taken([deaf])).toMatchObject([{ holds: false, seen: 'it was not done within 0.01 s' }]);
});

it('an interrupted tour ends with the step it was at', async () => {
  const interrupted = new AbortController();
  const interrupting: Step<string> = {
    ...holding,
    look: async () => {
      interrupted.abort();
      return { holds: true, seen: '' };
    },
  };
  expect(await taken([holding, interrupting, holding], interrupted.signal)).toHaveLength(2);
});
