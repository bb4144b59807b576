import { describe, expect, it } from 'vitest';
import { Scram } from './scram.ts';

describe('A client of SCRAM-SHA-256', () => {
  const serverFirst = 'r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096';

  it('goes through the example of RFC 7677 §3', async () => {
    const scram = new Scram('user', 'pencil', 'rOprNGfwEbeRWgbNEkqO');
    expect(scram.first()).toBe('n,,n=user,r=rOprNGfwEbeRWgbNEkqO');
    expect(await scram.answer(serverFirst)).toBe(
      'c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=',
    );
    scram.verify('v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=');
  });

  it('does not believe a server that does not know the password', async () => {
    const scram = new Scram('user', 'pencil', 'rOprNGfwEbeRWgbNEkqO');
    await scram.answer(serverFirst);
    expect(() => scram.verify('v=AAAATRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=')).toThrow('did not prove itself');
    expect(() => scram.verify('e=other-error')).toThrow('did not prove itself');
  });

  it('does not answer to a foreign nonce', async () => {
    const scram = new Scram('user', 'pencil', 'another');
    await expect(scram.answer(serverFirst)).rejects.toThrow('a foreign nonce');
  });
});
