import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Line } from './line.ts';

it('is a list that is filled at the end and emptied at the front', () => {
  const step = fc.oneof(
    { weight: 3, arbitrary: fc.integer({ min: 1, max: 3_000 }).map((count) => ({ push: count })) },
    { weight: 3, arbitrary: fc.integer({ min: 1, max: 3_000 }).map((count) => ({ shift: count })) },
    { weight: 1, arbitrary: fc.integer({ min: 0, max: 5 }).map((count) => ({ unshift: count })) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
      const line = new Line<number>();
      let model: number[] = [];
      let next = 0;
      const some = (count: number): number[] => Array.from({ length: count }, () => next++);
      for (const one of steps) {
        if ('push' in one) {
          const items = some(one.push);
          model.push(...items);
          for (const item of items) line.push(item);
        } else if ('unshift' in one) {
          const items = some(one.unshift);
          model = [...items, ...model];
          line.unshift(items);
        } else {
          const gone = model.slice(0, one.shift);
          model = model.slice(one.shift);
          expect(gone.map(() => line.shift())).toEqual(gone);
        }
        expect([line.length, line.first, line.at(2)]).toEqual([model.length, model[0], model[2]]);
      }
      expect(Array.from(model, (_, index) => line.at(index))).toEqual(model);
    }),
    { numRuns: 50 },
  );
});
