import { describe, expect, it } from 'vitest';
import { Fault } from '../policies/fault.ts';
import { listenRemedy, placedListenFault } from './listen-fault.ts';

const listeners = ['0.0.0.0', '::', 'localhost'].map((host, index) => ({
  address: { host, port: host === 'localhost' ? 5270 : 5269 },
  place: { file: 'gateway.yaml', line: 1 + index, column: 1 },
}));
const failed = (cause: object) => new Fault('listen-failed', 'Cannot listen.', { cause });

describe('a listener that cannot be opened', () => {
  it.each([
    ['EADDRINUSE', 'take another port'],
    ['EACCES', 'above 1023'],
    ['EADDRNOTAVAIL', 'an address that this machine has'],
    ['ENOTFOUND', 'an address that this machine has'],
    [undefined, 'an address that this machine has'],
  ])('for %s: %s', (code, remedy) => {
    expect(listenRemedy(code)).toContain(remedy);
  });

  it.each([
    ['0.0.0.0', 5269, 1],
    ['::', 5269, 2],
    ['127.0.0.1', 5270, 3],
    ['127.0.0.1', 1, undefined],
  ])('%s port %i is the listener of line %s', (address, port, line) => {
    const cause = { code: 'EACCES', address, port };
    const fault = placedListenFault(failed(cause), listeners);
    expect(fault).toMatchObject({
      code: 'listen-failed',
      message: 'Cannot listen.',
      remedy: listenRemedy('EACCES'),
      cause,
    });
    expect((fault as Fault).place?.line).toBe(line);
  });

  it('leaves other faults alone', () => {
    for (const other of [new Fault('policy-invalid'), new Error('x')]) {
      expect(placedListenFault(other, listeners)).toBe(other);
    }
  });
});
