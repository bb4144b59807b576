import type { ReasonCode } from '../../policies/reasons.ts';
import type { KeyPair } from '../issue.ts';
import { certificateBlocks } from '../pem.ts';
import { trustFromPem } from '../trust.ts';
import { type ChainResult, type Purpose, verifyChain } from '../verify.ts';

/** Extensions of an authority for `opensslCertificate`. */
export const AUTHORITY = ['basicConstraints=critical,CA:TRUE', 'keyUsage=critical,keyCertSign,cRLSign'];
const DAY = 86_400_000;

/** A minute from now: `openssl req` begins a validity in the present and knows nothing else. */
export const now = new Date(Date.now() + 60_000);
export const daysFromNow = (days: number): Date => new Date(now.getTime() + days * DAY);

/** DER of every certificate in these, in order. */
export function dersOf(...pairs: readonly KeyPair[]): Buffer[] {
  return pairs.flatMap(({ certificatePem }) => certificateBlocks(certificatePem).map(({ der }) => der));
}

/** DER of the first certificate, without the intermediates that come with it. */
export function derOf(pair: KeyPair): Buffer {
  const [first] = dersOf(pair);
  if (first === undefined) throw new Error('no certificate');
  return first;
}

/** A copy with some bits of one byte turned. */
export function flip(der: Buffer, position: number, mask = 1): Buffer {
  const copy = Buffer.from(der);
  copy.writeUInt8(copy.readUInt8(position) ^ mask, position);
  return copy;
}

export function verify(
  chain: readonly Uint8Array[],
  trusted: readonly KeyPair[],
  purpose: Purpose = 'either',
): ChainResult {
  return verifyChain(chain, {
    anchors: trustFromPem(trusted.map(({ certificatePem }) => certificatePem)),
    now,
    purpose,
  });
}

export function reasonOf(result: ChainResult): ReasonCode | 'ok' {
  return result.ok ? 'ok' : result.reason;
}
