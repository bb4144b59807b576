import { expect, test } from 'vitest';
import { certificateBlocks, readPem, writePem } from './pem.ts';

const block = (label: string, body: string): string => `-----BEGIN ${label}-----\n${body}\n-----END ${label}-----\n`;

test('blocks are read with their lines, and commentary between them is skipped', () => {
  const text = `subject: x\n${block('CERTIFICATE', 'AAEC')}\r\nsome words\r\n${block('PRIVATE KEY', 'AwQF\r\nBgcI')}`;
  expect(readPem(text)).toEqual([
    { label: 'CERTIFICATE', line: 2, der: Buffer.of(0, 1, 2) },
    { label: 'PRIVATE KEY', line: 7, der: Buffer.of(3, 4, 5, 6, 7, 8) },
  ]);
  expect(certificateBlocks(text).map(({ line }) => line)).toEqual([2]);
});

test.each([
  ['no end', '-----BEGIN CERTIFICATE-----\nAAEC\n'],
  ['another end', '-----BEGIN CERTIFICATE-----\nAAEC\n-----END PRIVATE KEY-----\n'],
  ['no base64', block('CERTIFICATE', 'A*EC')],
  ['headers inside', block('CERTIFICATE', 'Proc-Type: 4,ENCRYPTED\n\nAAEC')],
  ['nothing', block('CERTIFICATE', '')],
])('a block with %s is found and empty', (_, text) => {
  expect(readPem(text)).toEqual([{ label: 'CERTIFICATE', line: 1, der: Buffer.alloc(0) }]);
});

test('an unfinished block does not swallow the next', () => {
  const text = `-----BEGIN CERTIFICATE-----\nAAEC\n${block('CERTIFICATE', 'AwQF')}`;
  expect(readPem(text).map(({ der }) => der.length)).toEqual([0, 3]);
});

test('what is written reads back the same', () => {
  const der = Buffer.from(Array.from({ length: 100 }, (_, index) => index));
  expect(readPem(writePem('CERTIFICATE', der))).toEqual([{ label: 'CERTIFICATE', line: 1, der }]);
});
