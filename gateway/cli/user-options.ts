import { InvalidArgumentError, Option } from 'commander';
import { type Address, parseAddress } from '../../policies/address.ts';

/** How a password comes in, where nobody is to be asked for it. */
export interface PasswordOptions {
  readonly passwordStdin?: boolean;
  readonly generate?: boolean;
}

export function passwordStdinOption(): Option {
  return new Option('--password-stdin', 'read the password from standard input').conflicts('generate');
}

export function generateOption(): Option {
  return new Option('--generate', 'make a password up, and print it once');
}

/** Reads the address of a user: `alice@contoso.example`. */
export function readUser(text: string): Address {
  const address = parseAddress(text);
  if (address === undefined || address.local === '' || address.resource !== '') {
    throw new InvalidArgumentError('A user is written `alice@contoso.example`.');
  }
  return address;
}
