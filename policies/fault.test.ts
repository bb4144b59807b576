import { describe, expect, it } from 'vitest';
import { codeOf, Fault } from './fault.ts';
import { reasons } from './reasons.ts';

describe('a fault', () => {
  it('says what its reason says where it has no words of its own', () => {
    const fault = new Fault('listen-failed');
    expect(fault).toBeInstanceOf(Error);
    expect(fault).toMatchObject({
      name: 'Fault',
      code: 'listen-failed',
      message: reasons['listen-failed'].operator,
      place: undefined,
      remedy: undefined,
    });
    expect('cause' in fault).toBe(false);
  });

  it('keeps its words, its place, its remedy and its cause', () => {
    const detail = { place: { file: 'p.yaml', line: 3, column: 5 }, remedy: 'write one', cause: new Error('why') };
    expect(new Fault('policy-invalid', 'No partner.', detail)).toMatchObject({ message: 'No partner.', ...detail });
  });
});

describe('the code of anything thrown', () => {
  class NarrowFault extends Fault {}

  it.each([
    [new Fault('dns-timeout'), 'dns-timeout'],
    [new NarrowFault('dns-timeout'), 'dns-timeout'],
    [new Error('x'), 'internal'],
    [{ code: 'dns-timeout' }, 'internal'],
    ['x', 'internal'],
    [undefined, 'internal'],
  ])('%s → %s', (thrown, code) => {
    expect(codeOf(thrown)).toBe(code);
  });
});
