import { Fault } from '../../../policies/fault.ts';

/** Most bytes of a password. */
const BYTES = 1024;
/** FreeformClass of RFC 8264 §4.3 leaves out controls, what is unassigned or for private use, and half characters. */
const PROHIBITED = /[\p{Cc}\p{Cn}\p{Co}\p{Cs}\u2028\u2029]/u;

/**
 * A password as it is compared: the OpaqueString profile, RFC 8265 §4.2. Throws Fault `password-unusable` where it is
 * empty, too long or has characters that no password may have.
 */
export function preparePassword(password: string): string {
  const prepared = password.replace(/\p{Zs}/gu, ' ').normalize('NFC');
  if (prepared === '') throw unusable('is empty');
  if (Buffer.byteLength(prepared) > BYTES) throw unusable(`is longer than ${BYTES} bytes`);
  if (PROHIBITED.test(prepared)) throw unusable('contains control or unassigned characters');
  return prepared;
}

function unusable(problem: string): Fault {
  return new Fault('password-unusable', `The password ${problem}.`, { remedy: 'Choose another one.' });
}
