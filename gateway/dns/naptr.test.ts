import { expect, test } from 'vitest';
import { servicesOf } from './naptr.ts';
import type { NaptrRecord } from './records.ts';

const naptr = (order: number, preference: number, services: string, more: Partial<NaptrRecord> = {}): NaptrRecord => ({
  order,
  preference,
  flags: 'S',
  services,
  regexp: '',
  replacement: `_${preference}.x.example`,
  ...more,
});

test.each<[string, NaptrRecord[], string[]]>([
  ['by order, then preference', [naptr(10, 20, 'B'), naptr(10, 10, 'A')], ['A _10.x.example', 'B _20.x.example']],
  ['nothing of a worse order than the best usable', [naptr(20, 1, 'A'), naptr(10, 2, 'B')], ['B _2.x.example']],
  ['an order of a service nobody wants does not count', [naptr(1, 1, 'C'), naptr(10, 2, 'A')], ['A _2.x.example']],
  ['services and flags in any case', [naptr(1, 1, 'a', { flags: 's' })], ['A _1.x.example']],
  ['no other flag', [naptr(1, 1, 'A', { flags: 'U' }), naptr(1, 2, 'A', { flags: '' })], []],
  ['no regular expression', [naptr(1, 1, 'A', { regexp: '!^.*$!sip:x@y!' })], []],
  ['no replacement that leads nowhere', [naptr(1, 1, 'A', { replacement: '.' })], []],
  ['nothing of nothing', [], []],
])('services of NAPTR records: %s', (_, records, expected) => {
  expect(servicesOf(records, ['A', 'B']).map(({ service, name }) => `${service} ${name}`)).toEqual(expected);
});
