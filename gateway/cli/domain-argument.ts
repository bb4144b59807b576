import { isIP } from 'node:net';
import { InvalidArgumentError } from 'commander';
import { foldDomain } from '../../policies/address.ts';

/** Reads a domain of the command line into its folded form; an IP address is none. */
export function readDomain(text: string): string {
  const domain = foldDomain(text);
  if (domain === undefined || isIP(domain.replace(/^\[|\]$/g, '')) !== 0) {
    throw new InvalidArgumentError('A domain is written `contoso.example`.');
  }
  return domain;
}
