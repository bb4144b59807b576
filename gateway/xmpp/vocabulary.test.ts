import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Vocabulary } from './vocabulary.ts';

test('whatever was read before, a string is that of its bytes', () => {
  const word = fc.string({ unit: fc.constantFrom(...'aeio:/.'), maxLength: 70 });
  fc.assert(
    fc.property(fc.array(word, { maxLength: 50 }), (words) => {
      const vocabulary = new Vocabulary();
      for (const text of [...words, ...words]) {
        const buffer = Buffer.from(`<${text}>`);
        expect(vocabulary.read(buffer, 1, buffer.length - 1)).toBe(text);
      }
    }),
  );
});
