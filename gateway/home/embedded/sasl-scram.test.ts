import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { BindingType, ChannelBindings } from './channel-binding.ts';
import { noBindings } from './channel-binding.ts';
import { offeredMechanisms, ScramExchange, type ScramOptions } from './sasl-scram.ts';
import { ScramClient } from './scram-client.ts';
import { escapeName, type Mechanism, mechanisms, unescapeName } from './scram-message.ts';
import { decoyVerifier, type ScramHash, type ScramVerifier, verifierOf } from './scram-verifier.ts';

const bindings: ChannelBindings = new Map<BindingType, Buffer>([
  ['tls-exporter', Buffer.from('exported')],
  ['tls-server-end-point', Buffer.from('certificate')],
]);

const vectors = [
  {
    document: 'RFC 5802 §5',
    mechanism: 'SCRAM-SHA-1',
    salt: 'QSXCR+Q6sek8bf92',
    clientNonce: 'fyko+d2lbbFgONRv9qkxdawL',
    serverNonce: '3rfcNHYJY1ZVvWVs7j',
    first: 'n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL',
    challenge: 'r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096',
    final: 'c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=',
    success: 'v=rmF9pqV8S7suAoZWja4dJRkFsKQ=',
  },
  {
    document: 'RFC 7677 §3',
    mechanism: 'SCRAM-SHA-256',
    salt: 'W22ZaJ0SNY7soEsUEjb6gQ==',
    clientNonce: 'rOprNGfwEbeRWgbNEkqO',
    serverNonce: '%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0',
    first: 'n,,n=user,r=rOprNGfwEbeRWgbNEkqO',
    challenge: 'r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096',
    final: 'c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=',
    success: 'v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=',
  },
] as const;

const hashOf = (mechanism: string): ScramHash => (mechanism.includes('256') ? 'SHA-256' : 'SHA-1');
const salt = Buffer.from('a salt of the test');
const verifiers: Record<ScramHash, ScramVerifier> = {
  'SHA-1': await verifierOf('SHA-1', 'pencil', salt, 4096),
  'SHA-256': await verifierOf('SHA-256', 'pencil', salt, 4096),
};

function server(mechanism: Mechanism, options: Partial<ScramOptions> = {}): ScramExchange {
  return new ScramExchange({
    mechanism,
    bindings: noBindings,
    verifierOf: (username, hash) => (username === 'user' ? verifiers[hash] : undefined),
    mayActAs: (username, authzid) => authzid === `${username}@home.example`,
    ...options,
  });
}

/** One exchange of our client with our server. */
async function meet(login: { offered: readonly Mechanism[]; client: ChannelBindings; server: ChannelBindings }) {
  const client = new ScramClient({
    username: 'user',
    password: 'pencil',
    offered: login.offered,
    bindings: login.client,
  });
  const exchange = server(client.mechanism, { bindings: login.server });
  const challenge = exchange.take(client.first());
  if (challenge.step !== 'challenge') return { mechanism: client.mechanism, end: challenge, client };
  return { mechanism: client.mechanism, end: exchange.take(await client.final(challenge.data)), client };
}

describe.each(vectors)('the example of $document', (vector) => {
  it('is spoken by the server word for word', async () => {
    const { mechanism, first, challenge, final, success } = vector;
    const verifier = await verifierOf(hashOf(mechanism), 'pencil', Buffer.from(vector.salt, 'base64'), 4096);
    const exchange = server(mechanism, { nonce: vector.serverNonce, verifierOf: () => verifier });
    expect(exchange.take(first)).toEqual({ step: 'challenge', data: challenge });
    expect(exchange.take(final)).toEqual({ step: 'success', data: success });
    expect(exchange.username).toBe('user');
  });

  it('is spoken by the client word for word', async () => {
    const { mechanism, first, challenge, final, success } = vector;
    const login = { username: 'user', password: 'pencil', offered: [mechanism], bindings: noBindings };
    const client = new ScramClient({ ...login, nonce: vector.clientNonce });
    expect(client.first()).toBe(first);
    expect(await client.final(challenge)).toBe(final);
    expect(() => client.verify(success)).not.toThrow();
    expect(() => client.verify('v=AAAA')).toThrow('did not show that it knows the password');
  });
});

describe('client and server', () => {
  it.each(mechanisms)('meet over %s', async (mechanism) => {
    const bound = mechanism.endsWith('-PLUS') ? bindings : noBindings;
    const { end, client } = await meet({ offered: [mechanism], client: bound, server: bound });
    expect(end.step).toBe('success');
    expect(() => client.verify(end.step === 'success' ? end.data : '')).not.toThrow();
  });

  it('choose SCRAM-SHA-256-PLUS where the channel can be bound to', async () => {
    const { mechanism, end } = await meet({ offered: offeredMechanisms(bindings), client: bindings, server: bindings });
    expect([mechanism, end.step]).toEqual(['SCRAM-SHA-256-PLUS', 'success']);
  });

  it('fail where somebody stands between their channels', async () => {
    const elsewhere: ChannelBindings = new Map([['tls-exporter', Buffer.from('another channel')]]);
    const { end } = await meet({ offered: offeredMechanisms(bindings), client: elsewhere, server: bindings });
    expect(end).toMatchObject({
      step: 'failure',
      condition: 'not-authorized',
      detail: expect.stringContaining('channel'),
    });
  });

  it('fail where somebody took the -PLUS mechanisms out of the offer', async () => {
    const { mechanism, end } = await meet({ offered: ['SCRAM-SHA-256'], client: bindings, server: bindings });
    expect(mechanism).toBe('SCRAM-SHA-256');
    expect(end).toMatchObject({
      step: 'failure',
      condition: 'not-authorized',
      detail: expect.stringContaining('offer'),
    });
  });

  it('meet where only the client could bind', async () => {
    const { end } = await meet({ offered: ['SCRAM-SHA-256'], client: bindings, server: noBindings });
    expect(end.step).toBe('success');
  });
});

describe('the server', () => {
  it.each([
    ['no SCRAM', 'hello', 'malformed-request'],
    ['an extension it does not know', 'n,,m=x,n=user,r=abc', 'malformed-request'],
    ['a name before which nothing stands', 'n,n=user,r=abc', 'malformed-request'],
    ['a name that escapes nothing', 'n,,n=us=er,r=abc', 'malformed-request'],
    ['no nonce', 'n,,n=user,r=', 'malformed-request'],
    ['an attribute twice', 'n,,n=user,r=abc,r=def', 'malformed-request'],
    ['channel binding with a mechanism that has none', 'p=tls-exporter,,n=user,r=abc', 'malformed-request'],
    ['another identity', 'n,a=boss@home.example,n=user,r=abc', 'invalid-authzid'],
    ['a user it has no verifier for', 'n,,n=nobody,r=abc', 'not-authorized'],
  ])('refuses a first message with %s', (_what, message, condition) => {
    expect(server('SCRAM-SHA-256').take(message)).toMatchObject({ step: 'failure', condition });
  });

  it.each([
    ['no binding', 'n,,n=user,r=abc', 'malformed-request'],
    ['a binding the channel has not', 'p=tls-unique,,n=user,r=abc', 'not-authorized'],
    ['a binding nobody knows', 'p=constructor,,n=user,r=abc', 'not-authorized'],
  ])('refuses -PLUS with %s', (_what, message, condition) => {
    expect(server('SCRAM-SHA-256-PLUS', { bindings }).take(message)).toMatchObject({ step: 'failure', condition });
  });

  it('lets a user name its own address', () => {
    expect(server('SCRAM-SHA-256').take('n,a=user@home.example,n=user,r=abc').step).toBe('challenge');
  });

  it.each([
    [
      'a wrong proof',
      (final: string) => final.replace(/p=.*/, `p=${Buffer.alloc(32).toString('base64')}`),
      'not-authorized',
    ],
    ['a short proof', (final: string) => final.replace(/p=.*/, 'p=AAAA'), 'not-authorized'],
    ['another nonce', (final: string) => final.replace(/r=[^,]*/, 'r=abc'), 'not-authorized'],
    ['another gs2 header', (final: string) => final.replace('c=biws', 'c=eSws'), 'not-authorized'],
    ['something behind the proof', (final: string) => `${final},x=1`, 'malformed-request'],
    ['no proof', (final: string) => final.replace(/,p=.*/, ''), 'malformed-request'],
    ['an extension', (final: string) => final.replace(',p=', ',m=1,p='), 'malformed-request'],
    ['no base64', (final: string) => final.replace(/p=.*/, 'p=!'), 'malformed-request'],
  ])('refuses a final message with %s', async (_what, spoil, condition) => {
    const exchange = server('SCRAM-SHA-256');
    const login = { username: 'user', password: 'pencil', offered: ['SCRAM-SHA-256'], bindings: noBindings };
    const client = new ScramClient(login);
    const challenge = exchange.take(client.first());
    const final = await client.final(challenge.step === 'challenge' ? challenge.data : '');
    expect(exchange.take(spoil(final))).toMatchObject({ step: 'failure', condition });
  });

  it('never succeeds with a decoy, whatever the proof', async () => {
    const decoy = decoyVerifier('SHA-256', Buffer.from('key'), 'ghost@home.example', 4096);
    const exchange = server('SCRAM-SHA-256', { verifierOf: () => decoy });
    const login = { username: 'ghost', password: '', offered: ['SCRAM-SHA-256'], bindings: noBindings };
    const client = new ScramClient({ ...login, password: 'guess' });
    const challenge = exchange.take(client.first());
    const end = exchange.take(await client.final(challenge.step === 'challenge' ? challenge.data : ''));
    expect(end).toMatchObject({ step: 'failure', condition: 'not-authorized' });
  });

  it('survives any text', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'binary' }), { maxLength: 3 }), (messages) => {
        const exchange = server('SCRAM-SHA-256-PLUS', { bindings });
        for (const message of messages) expect(exchange.take(message).step).not.toBe('success');
      }),
    );
  });
});

describe('the client', () => {
  const login = { username: 'user', password: 'pencil', bindings: noBindings, nonce: 'abc' };

  it.each([
    ['a nonce that is not ours', 'r=xyz,s=QUJD,i=4096'],
    ['nothing added to our nonce', 'r=abc,s=QUJD,i=4096'],
    ['no salt', 'r=abcd,s=,i=4096'],
    ['rounds that a guesser could afford', 'r=abcd,s=QUJD,i=1'],
    ['rounds without end', 'r=abcd,s=QUJD,i=2000000000'],
    ['an extension', 'm=1,r=abcd,s=QUJD,i=4096'],
  ])('refuses a challenge with %s', async (_what, challenge) => {
    const client = new ScramClient({ ...login, offered: ['SCRAM-SHA-1'] });
    client.first();
    await expect(client.final(challenge)).rejects.toMatchObject({ code: 'authentication-failed' });
  });

  it('speaks no PLAIN', () => {
    expect(() => new ScramClient({ ...login, offered: ['PLAIN'] })).toThrow('no mechanism');
  });

  it('binds only by a type that the server announces', () => {
    const announced = ['tls-server-end-point'];
    const client = new ScramClient({ ...login, bindings, offered: mechanisms, announced });
    expect(client.first()).toMatch(/^p=tls-server-end-point,,/);
  });
});

it('a name survives its escapes', () => {
  const name = fc.string({ unit: fc.constantFrom('=', ',', '2', 'C', '3', 'D', 'é') });
  fc.assert(
    fc.property(name, (written) => {
      expect(unescapeName(escapeName(written))).toBe(written);
    }),
  );
});
