import { describe, expect, it } from 'vitest';
import { DialbackKeys } from './dialback-key.ts';

const vectors = [
  // XEP-0185 §3, XEP-0220 §2.1.1 and §2.1.2.
  [
    's3cr3tf0rd14lb4ck',
    'xmpp.example.com',
    'example.org',
    'D60000229F',
    '37c69b1cf07a3f67c04a5ef5902fa5114f2c76fe4a2686482ba5b89323075643',
  ],
  [
    's3cr3tf0rd14lb4ck',
    'montague.example',
    'capulet.example',
    'D60000229F',
    'b4835385f37fe2895af6c196b59097b16862406db80559900d96bf6fa7d23df3',
  ],
  [
    'd14lb4ck43v3r',
    'capulet.example',
    'montague.example',
    '417GAF25',
    '225cc5aa6a071133249d25fef42ae516fc7a86c523aa1c6980a7f73e784c972d',
  ],
] as const;

describe('dialback keys', () => {
  it.each(vectors)(
    'with secret %s, for %s from %s on %s, are those of the XEPs',
    (secret, receiving, originating, id, key) => {
      const keys = new DialbackKeys(secret);
      expect(keys.key(receiving, originating, id)).toBe(key);
      expect(keys.verify(key, receiving, originating, id)).toBe(true);
    },
  );

  it('are refused with another stream id, another pair, another length or the domains swapped', () => {
    const keys = new DialbackKeys('secret');
    const key = keys.key('r.example', 'o.example', 'id1');
    expect(keys.verify(key, 'r.example', 'o.example', 'id2')).toBe(false);
    expect(keys.verify(key, 'o.example', 'r.example', 'id1')).toBe(false);
    expect(keys.verify(`${key}0`, 'r.example', 'o.example', 'id1')).toBe(false);
    expect(keys.verify('', 'r.example', 'o.example', 'id1')).toBe(false);
  });
});
