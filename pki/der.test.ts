import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { codeOf } from '../policies/fault.ts';
import * as asn1 from './der.ts';
import { tag } from './der.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const bytes = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');

function codeThrown(work: () => unknown): string {
  try {
    work();
    return 'nothing';
  } catch (error) {
    return codeOf(error);
  }
}

describe('DER is written', () => {
  test.each([
    ['an empty sequence', asn1.sequence(), '3000'],
    ['a zero', asn1.integer(Buffer.of(0, 0)), '020100'],
    ['an integer with its top bit set', asn1.integer(Buffer.of(0x80)), '02020080'],
    ['an integer without padding', asn1.integer(Buffer.of(0, 0, 0x7f)), '02017f'],
    ['the OID of X.690 §8.19.5', asn1.oid('2.999.3'), '0603883703'],
    ['the OID of RSA', asn1.oid('1.2.840.113549'), '06062a864886f70d'],
    ['keyCertSign and cRLSign', asn1.namedBits([5, 6]), '03020106'],
    ['digitalSignature', asn1.namedBits([0]), '03020780'],
    ['decipherOnly', asn1.namedBits([8]), '0303070080'],
    ['the last UTCTime', asn1.time(new Date('2049-12-31T23:59:59.999Z')), `170d${hex(Buffer.from('491231235959Z'))}`],
    [
      'the first GeneralizedTime',
      asn1.time(new Date('2050-01-01T00:00:00Z')),
      `180f${hex(Buffer.from('20500101000000Z'))}`,
    ],
  ])('%s', (_, written, expected) => {
    expect(hex(written)).toBe(expected);
  });

  test('so that it reads back the same, at any length', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 70_000, size: 'max' }), (content) => {
        const element = asn1.readDer(asn1.octetString(content), tag.octetString);
        expect(element.content.equals(content)).toBe(true);
      }),
      { numRuns: 20 },
    );
  });

  test('with object identifiers that read back the same', () => {
    const arcs = fc.tuple(fc.constantFrom('0', '1'), fc.nat(39), fc.array(fc.nat(), { maxLength: 6 }));
    const large = fc.tuple(fc.constant('2'), fc.nat(100_000), fc.array(fc.nat(), { maxLength: 6 }));
    fc.assert(
      fc.property(fc.oneof(arcs, large), ([root, second, rest]) => {
        const dotted = [root, second, ...rest].join('.');
        expect(asn1.readOid(asn1.readDer(asn1.oid(dotted), tag.oid))).toBe(dotted);
      }),
    );
  });
});

describe('DER that breaks a rule is malformed:', () => {
  const sequenceIn = (text: string) => () => asn1.readDer(bytes(text), tag.sequence);
  const value = <T>(elementTag: number, content: string, read: (element: asn1.Der) => T) => {
    return () => read(asn1.readDer(asn1.der(elementTag, bytes(content)), elementTag));
  };

  test.each<[string, () => unknown]>([
    ['nothing', sequenceIn('')],
    ['a tag alone', sequenceIn('30')],
    ['another tag', sequenceIn('3100')],
    ['a byte behind', sequenceIn('3000 00')],
    ['content cut short', sequenceIn('3002 05')],
    ['an indefinite length', sequenceIn('3080 0000')],
    ['a length not in its shortest form', sequenceIn('308102 0500')],
    ['a length with a leading zero', sequenceIn(`30820080 ${'00'.repeat(128)}`)],
    ['a length of five octets', sequenceIn('30850000000001 00')],
    ['a length cut short', sequenceIn('3082 01')],
    ['a long tag', () => asn1.readDer(bytes('1f2000'), 0x1f)],
    ['a child cut short', () => asn1.childrenOf(asn1.readDer(bytes('3002 0401'), tag.sequence))],
    ['an empty OID', value(tag.oid, '', asn1.readOid)],
    ['an OID cut short', value(tag.oid, '2a86', asn1.readOid)],
    ['a padded OID', value(tag.oid, '2a8001', asn1.readOid)],
    ['a boolean of two bytes', value(tag.boolean, 'ffff', asn1.readBoolean)],
    ['a boolean that is neither', value(tag.boolean, '01', asn1.readBoolean)],
    ['a negative integer', value(tag.integer, 'ff', asn1.readSmallInteger)],
    ['a padded integer', value(tag.integer, '0001', asn1.readSmallInteger)],
    ['an empty integer', value(tag.integer, '', asn1.readSmallInteger)],
    ['a large integer', value(tag.integer, '0100000000', asn1.readSmallInteger)],
    ['an empty bit string', value(tag.bitString, '', asn1.readBits)],
    ['eight unused bits', value(tag.bitString, '0800', asn1.readBits)],
    ['unused bits of nothing', value(tag.bitString, '01', asn1.readBits)],
    ['a field too few', () => new asn1.Fields(asn1.readDer(bytes('3000'), tag.sequence)).take()],
    ['a field too many', () => new asn1.Fields(asn1.readDer(bytes('3002 0500'), tag.sequence)).end()],
  ])('%s', (_, read) => {
    expect(codeThrown(read)).toBe('certificate-malformed');
  });

  test('arbitrary bytes are read or malformed, never worse', () => {
    const walk = (element: asn1.Der): number =>
      1 + ((element.tag & 0x20) === 0 ? 0 : asn1.childrenOf(element).reduce((sum, child) => sum + walk(child), 0));
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 40 }), (junk) => {
        expect(['nothing', 'certificate-malformed']).toContain(
          codeThrown(() => walk(asn1.readDer(junk, junk[0] ?? 0))),
        );
      }),
    );
  });
});

test('bits are numbered from the first', () => {
  expect([...asn1.readBits(asn1.readDer(bytes('0303078180'), tag.bitString))]).toEqual([0, 7, 8]);
});
