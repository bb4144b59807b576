import { describe, expect, it } from 'vitest';
import { parseAddress } from '../../policies/address.ts';
import { AddressBook } from './address-book.ts';

describe('the address book', () => {
  it.each(['Ann@H.example/x', 'h.example', `${'a'.repeat(300)}@h.example`, '', '@h.example', 'a b@h.example', 'a@/x'])(
    'reads %j as it would be parsed, the first time and again',
    (text) => {
      const book = new AddressBook();
      expect(book.read(text)).toEqual(parseAddress(text));
      expect(book.read(text)).toEqual(parseAddress(text));
    },
  );

  it('remembers usual spellings, not long ones, and not without end', () => {
    const book = new AddressBook();
    const again = (text: string): boolean => {
      const first = book.read(text);
      return book.read(text) === first;
    };
    expect([again('ann@h.example'), again(`${'a'.repeat(300)}@h.example`)]).toEqual([true, false]);
    const first = book.read('ann@h.example');
    for (let n = 0; n < 8_192; n++) book.read(`u${n}@h.example`);
    expect(book.read('ann@h.example')).not.toBe(first);
    expect(book.read('ann@h.example')).toEqual(first);
  });
});
