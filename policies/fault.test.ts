import { describe, expect, it } from 'vitest';
import { asFault, codeOf, Fault, withPlace } from './fault.ts';
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

describe('anything thrown as a fault', () => {
  it('is itself where it is one', () => {
    const fault = new Fault('dns-timeout');
    expect(asFault(fault)).toBe(fault);
  });

  it.each([
    [new TypeError('x is no function'), 'TypeError: x is no function'],
    ['x', 'x'],
    [undefined, 'undefined'],
  ])('%s is a defect of ours, and its cause', (thrown, message) => {
    const fault = asFault(thrown);
    expect(fault).toMatchObject({ code: 'internal', message });
    expect(fault.cause).toBe(thrown);
  });
});

describe('a place for what has none', () => {
  const here = { file: 'gateway.yaml', line: 1, column: 1 };
  const there = { ...here, line: 2 };

  it('is given to a fault, and nothing else of it changes', () => {
    const detail = { remedy: 'Write it.', cause: new Error('ENOENT') };
    const placed = withPlace(new Fault('config-invalid', 'No file.', detail), here);
    expect(placed).toMatchObject({ code: 'config-invalid', message: 'No file.', ...detail, place: here });
  });

  it('leaves alone what has one, and what is no fault', () => {
    for (const thrown of [new Fault('config-invalid', 'x', { place: there }), new Error('x'), undefined]) {
      expect(withPlace(thrown, here)).toBe(thrown);
    }
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
