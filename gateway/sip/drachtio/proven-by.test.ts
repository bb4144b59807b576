import { describe, expect, it } from 'vitest';
import { checkProven, serverFault } from './proven-by.ts';
import { homeTrunk, partnerTrunk } from './testing/site.ts';

const place = { file: 'gateway.yaml', line: 7, column: 5 };
const { addresses: _, ...unplaced } = partnerTrunk;

describe('what a drachtio server cannot show', () => {
  it.each([
    ['nobody answers for', undefined, undefined, [partnerTrunk], /administrator/],
    ['an edge without a way to it', 'edge', undefined, [partnerTrunk], /proxy/],
    ['an edge before a PBX', 'edge', 'sip:127.0.0.1:5070', [partnerTrunk, homeTrunk], /home\.sip/],
    ['an administrator without addresses', 'administrator', undefined, [unplaced], /addresses/],
    ['a PBX over TLS without addresses', 'administrator', undefined, [{ ...homeTrunk, tls: true }], /home\.sip/],
  ] as const)('is refused: %s', (_case, peersProvenBy, proxy, trunks, remedy) => {
    expect(() => checkProven({ peersProvenBy, proxy, place }, trunks)).toThrow(
      expect.objectContaining({ code: 'drachtio-unproven', place, remedy: expect.stringMatching(remedy) }),
    );
  });

  it.each([
    ['edge', 'sip:127.0.0.1:5070;transport=tcp', [unplaced]],
    ['administrator', undefined, [partnerTrunk, homeTrunk]],
  ] as const)('is taken on the word of: %s', (peersProvenBy, proxy, trunks) => {
    expect(() => checkProven({ peersProvenBy, proxy }, trunks)).not.toThrow();
  });
});

describe('a server behind an edge', () => {
  it.each([[['tcp/127.0.0.1:5060']], [['tcp/127.0.0.1:5060', 'tls/[::1]:5061', 'tcp/127.8.9.1:5060']]])(
    'may listen at %j',
    (addresses) => expect(serverFault({ peersProvenBy: 'edge' }, addresses)).toBeUndefined(),
  );

  it.each([
    [['tcp/127.0.0.1:5060', 'udp/192.0.2.1:5060']],
    [['tls/0.0.0.0:5061']],
    [['tls/127.evil.example:5061']],
    [['nonsense']],
    [[]],
  ])('must not listen at %j', (addresses) => {
    expect(serverFault({ peersProvenBy: 'edge', place }, addresses)).toMatchObject({
      code: 'drachtio-unproven',
      place,
    });
  });

  it('listens where it likes on the word of the administrator', () => {
    expect(serverFault({ peersProvenBy: 'administrator' }, ['tls/192.0.2.1:5061'])).toBeUndefined();
  });
});
