import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { reference, withReference } from './reference.ts';

it("the README's configuration reference is current (node gateway/config/reference.ts --write)", () => {
  const readme = readFileSync(join(import.meta.dirname, '../../README.md'), 'utf8');
  expect(withReference(readme)).toBe(readme);
});

it('the reference gives key, type, default and meaning of a key', () => {
  expect(reference()).toContain(
    '| `edges.xmpp.keepAlive` | duration, 10s to 1h | `3min` | Silence after which a peer is asked whether it lives. |',
  );
});

it('the reference leaves no meaning out', () => {
  expect(
    reference()
      .split('\n')
      .filter((line) => /\|\s*\|$/.test(line)),
  ).toEqual([]);
});

it('what stands around the markers stays', () => {
  const readme = 'above\n<!-- reference:begin -->\nold\n<!-- reference:end -->\nbelow\n';
  const written = withReference(readme);
  expect(written.startsWith('above\n<!-- reference:begin -->\n### gateway.yaml')).toBe(true);
  expect(written.endsWith('\n<!-- reference:end -->\nbelow\n')).toBe(true);
  expect(withReference(written)).toBe(written);
});

it.each(['', '<!-- reference:begin -->', '<!-- reference:end --><!-- reference:begin -->'])(
  'a README without markers is refused: %j',
  (readme) => {
    expect(() => withReference(readme)).toThrow(RangeError);
  },
);
