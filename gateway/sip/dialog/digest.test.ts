import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Headers } from '../message/headers.ts';
import { SipRequest } from '../message/message.ts';
import type { ExtraHeaders, Reply } from '../port.ts';
import { DigestClient, type DigestCredentials } from './digest.ts';
import { type Challenge, digestResponse, readChallenge } from './digest-challenge.ts';

const PASSWORD = 'Circle of Life';
const mufasa: DigestCredentials = { username: 'Mufasa', password: async () => PASSWORD };

const challenge = (params: Readonly<Record<string, string>> = {}): string =>
  `Digest ${Object.entries({
    realm: '"partner.example"',
    nonce: '"n1"',
    algorithm: 'SHA-256',
    qop: '"auth"',
    ...params,
  })
    .map(([name, value]) => `${name}=${value}`)
    .join(', ')}`;

function reply(status: number, name: string, ...challenges: string[]): Reply {
  const headers = new Headers(challenges.map((value) => [name, value] as const));
  return { status, reason: '', headers, origin: 'peer' };
}
const asked = (...challenges: string[]): Reply => reply(401, 'WWW-Authenticate', ...challenges);

function message(credentials: ExtraHeaders = []): SipRequest {
  return new SipRequest('MESSAGE', 'sip:bob@partner.example', new Headers(credentials));
}

function client(): DigestClient {
  let calls = 0;
  return new DigestClient(() => `cnonce${++calls}`);
}

/** The parameters of credentials, as written. */
function written(headers: ExtraHeaders | undefined, name = 'Authorization'): Map<string, string> {
  const value = headers?.find(([field]) => field === name)?.[1] ?? '';
  return new Map(
    value
      .replace('Digest ', '')
      .split(', ')
      .map((part): [string, string] => [part.slice(0, part.indexOf('=')), part.slice(part.indexOf('=') + 1)]),
  );
}

describe('the proof of a password', () => {
  const of7616: Omit<Challenge, 'algorithm'> = {
    realm: 'http-auth@example.org',
    nonce: '7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v',
    qop: true,
    opaque: 'FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS',
    stale: false,
  };
  const proof7616 = {
    username: 'Mufasa',
    password: 'Circle of Life',
    method: 'GET',
    uri: '/dir/index.html',
    cnonce: 'f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ',
    count: 1,
  };

  it.each([
    ['MD5', '8ca523f5e9506fed4657c9700eebdbec'],
    ['SHA-256', '753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1'],
  ])('is that of RFC 7616 §3.9.1 with %s', (algorithm, response) => {
    expect(digestResponse({ ...of7616, algorithm }, proof7616)).toBe(response);
  });

  const of2617: Challenge = {
    realm: 'testrealm@host.com',
    nonce: 'dcd98b7102dd2f0e8b11d0f600bfb0c093',
    algorithm: 'MD5',
    qop: true,
    opaque: undefined,
    stale: false,
  };
  const proof2617 = { ...proof7616, password: 'Circle Of Life', cnonce: '0a4f113b' };

  it('is that of RFC 2617 §3.5', () => {
    expect(digestResponse(of2617, proof2617)).toBe('6629fae49393a05397450978507c4ef1');
  });

  it('is that of RFC 2069 without qop', () => {
    expect(digestResponse({ ...of2617, qop: false }, proof2617)).toBe('670fd8c2df070c60b045671b8b24ff02');
  });
});

describe('a challenge', () => {
  it.each<[string, string]>([
    ['another scheme', 'Basic realm="partner.example"'],
    ['another algorithm', challenge({ algorithm: 'SHA-3' })],
    ['a session algorithm', challenge({ algorithm: 'MD5-sess' })],
    ['auth-int alone', challenge({ qop: '"auth-int"' })],
    ['no realm', 'Digest nonce="n", qop="auth"'],
    ['no nonce', 'Digest realm="r", qop="auth"'],
    ['a parameter twice', `${challenge()}, nonce="n2"`],
    ['a parameter without a name', `${challenge()}, ="x"`],
    ['nothing', 'Digest'],
  ])('is not answered with %s', async (_, text) => {
    expect(await client().authorize(message(), asked(text), mufasa)).toBeUndefined();
  });

  it('of any text throws nothing', () => {
    const text = fc
      .array(fc.constantFrom('Digest ', 'realm', '=', '"', ',', ' ', 'nonce', '\\', 'x'))
      .map((all) => all.join(''));
    fc.assert(
      fc.property(fc.oneof(text, fc.string()), (value) => {
        const read = readChallenge(value);
        expect(read === undefined || read.nonce !== undefined).toBe(true);
      }),
    );
  });

  it('is read with quotes and commas inside', () => {
    expect(readChallenge('digest realm="a \\"b\\", c" , nonce = "n=1,2",qop="auth-int, auth", stale=TRUE')).toEqual({
      realm: 'a "b", c',
      nonce: 'n=1,2',
      algorithm: 'MD5',
      qop: true,
      opaque: undefined,
      stale: true,
    });
  });

  it('without qop is answered without cnonce and count', async () => {
    const credentials = await client().authorize(
      message(),
      asked('Digest realm="r", nonce="n", algorithm=MD5'),
      mufasa,
    );
    expect([...written(credentials).keys()]).toEqual(['username', 'realm', 'nonce', 'uri', 'response', 'algorithm']);
  });
});

describe('the answer', () => {
  it('names what was asked, and proves the password for this method and target', async () => {
    const credentials = await client().authorize(message(), asked(challenge({ opaque: '"o"' })), mufasa);
    const params = written(credentials);
    const asChallenged = readChallenge(challenge());
    if (asChallenged === undefined) throw new Error('The challenge is malformed.');
    const proof = {
      username: 'Mufasa',
      password: PASSWORD,
      method: 'MESSAGE',
      uri: 'sip:bob@partner.example',
      cnonce: 'cnonce1',
      count: 1,
    };
    expect(Object.fromEntries(params)).toEqual({
      username: '"Mufasa"',
      realm: '"partner.example"',
      nonce: '"n1"',
      uri: '"sip:bob@partner.example"',
      response: `"${digestResponse(asChallenged, proof)}"`,
      algorithm: 'SHA-256',
      opaque: '"o"',
      cnonce: '"cnonce1"',
      qop: 'auth',
      nc: '00000001',
    });
  });

  it('goes where a proxy looks for it', async () => {
    const credentials = await client().authorize(message(), reply(407, 'Proxy-Authenticate', challenge()), mufasa);
    expect(credentials?.map(([name]) => name)).toEqual(['Proxy-Authorization']);
  });

  it.each([
    ['MD5 first', ['MD5', 'SHA-256']],
    ['MD5 last', ['SHA-256', 'MD5']],
  ])('is by SHA-256 where that is offered: %s', async (_, offered) => {
    const challenges = offered.map((algorithm) => challenge({ algorithm }));
    const credentials = await client().authorize(message(), asked(...challenges), mufasa);
    expect(written(credentials).get('algorithm')).toBe('SHA-256');
  });

  it('counts the uses of a nonce, each nonce by itself', async () => {
    const digest = client();
    const counts: (string | undefined)[] = [];
    for (const nonce of ['"a"', '"b"', '"a"']) {
      counts.push(written(await digest.authorize(message(), asked(challenge({ nonce })), mufasa)).get('nc'));
    }
    expect(counts).toEqual(['00000001', '00000001', '00000002']);
  });

  it('forgets the nonces used longest ago', async () => {
    const digest = client();
    const use = async (nonce: string): Promise<string | undefined> =>
      written(await digest.authorize(message(), asked(challenge({ nonce })), mufasa)).get('nc');
    for (let n = 0; n < 256; n++) await use(`"${n}"`);
    expect(await use('"0"')).toBe('00000002');
    await use('"another"');
    expect([await use('"0"'), await use('"1"')]).toEqual(['00000003', '00000001']);
  });

  it('goes to the pinned realm only', async () => {
    const pinned = { ...mufasa, realm: 'ours.example' };
    const other = challenge();
    const ours = challenge({ realm: '"ours.example"', algorithm: 'MD5' });
    expect(await client().authorize(message(), asked(other), pinned)).toBeUndefined();
    expect(written(await client().authorize(message(), asked(other, ours), pinned)).get('realm')).toBe(
      '"ours.example"',
    );
  });

  it.each([
    ['another status', reply(403, 'WWW-Authenticate', challenge())],
    ['no challenge', asked()],
    ['a status of our own making', { ...asked(challenge()), origin: 'timeout' as const }],
  ])('is none to %s, and the password is not asked for', async (_, response) => {
    let asks = 0;
    const counting = { username: 'Mufasa', password: async () => String(++asks) };
    expect(await client().authorize(message(), response, counting)).toBeUndefined();
    expect(asks).toBe(0);
  });
});

describe('a second challenge', () => {
  async function again(second: Reply, algorithm = 'SHA-256'): Promise<ExtraHeaders | undefined> {
    const digest = client();
    const first = await digest.authorize(message(), asked(challenge({ algorithm })), mufasa);
    return digest.authorize(message(first), second, mufasa);
  }

  it('is answered where the nonce was stale', async () => {
    const credentials = await again(asked(challenge({ nonce: '"n2"', stale: 'true' })));
    expect(written(credentials).get('nonce')).toBe('"n2"');
  });

  it.each<[string, string]>([
    ['says that the password is wrong', challenge({ nonce: '"n2"' })],
    ['calls the nonce stale and gives it again', challenge({ stale: 'true' })],
    ['asks for a weaker algorithm', challenge({ nonce: '"n2"', stale: 'true', algorithm: 'MD5' })],
  ])('is not answered where it %s', async (_, text) => {
    expect(await again(asked(text))).toBeUndefined();
  });

  it('may be by a stronger algorithm', async () => {
    const credentials = await again(asked(challenge({ nonce: '"n2"', stale: 'true' })), 'MD5');
    expect(written(credentials).get('algorithm')).toBe('SHA-256');
  });

  it('of the server behind a proxy is answered besides the proxy, whose nonce is counted on', async () => {
    const digest = client();
    const proxy = await digest.authorize(message(), reply(407, 'Proxy-Authenticate', challenge()), mufasa);
    const both = await digest.authorize(message(proxy), asked(challenge({ nonce: '"n2"' })), mufasa);
    expect(both?.map(([name]) => name)).toEqual(['Proxy-Authorization', 'Authorization']);
    expect(written(both, 'Proxy-Authorization').get('nc')).toBe('00000002');
    expect(written(both).get('nonce')).toBe('"n2"');
  });
});
