import type { Headers } from '../message/headers.ts';
import type { SipRequest } from '../message/message.ts';
import type { ExtraHeaders, Reply } from '../port.ts';
import { byStrength, type Challenge, formatCredentials, type Proof, readChallenge } from './digest-challenge.ts';

/** Who we are where a peer asks for a password. */
export interface DigestCredentials {
  readonly username: string;
  /** Asked anew for each proof, and kept nowhere. */
  password(): Promise<string>;
  /** The only realm that gets a proof; any where left out. */
  readonly realm?: string | undefined;
}

/** Nonces whose uses are counted: a server has a few at a time, and one that is forgotten only costs a challenge. */
const NONCES = 256;
/** Where a status asks for credentials, and where they go (RFC 3261 §22.2, §22.3). */
const places: ReadonlyMap<number, readonly [challenge: string, credentials: string]> = new Map([
  [401, ['WWW-Authenticate', 'Authorization']],
  [407, ['Proxy-Authenticate', 'Proxy-Authorization']],
]);

/** Answers challenges as RFC 3261 §22 with RFC 8760 has it: SHA-256 before MD5, `qop=auth`, and never the same twice. */
export class DigestClient {
  readonly #random: () => string;
  readonly #counts = new Map<string, number>();

  /** `random` gives 128 bits in hexadecimal. */
  constructor(random: () => string) {
    this.#random = random;
  }

  /**
   * The headers with which a request that was answered 401 or 407 may be sent again; undefined where nothing can be
   * proven to that realm, or where it was in vain before. Rejects where the password cannot be had.
   */
  async authorize(
    request: SipRequest,
    reply: Reply,
    credentials: DigestCredentials,
  ): Promise<ExtraHeaders | undefined> {
    const place = places.get(reply.status);
    if (place === undefined || reply.origin !== 'peer') return undefined;
    const [asks, answers] = place;
    const challenge = this.#choose(reply.headers.all(asks), request.headers.lines(answers), credentials.realm);
    if (challenge === undefined) return undefined;
    const password = await credentials.password();
    const prove = (to: Challenge): string =>
      formatCredentials(to, this.#proof(request, { username: credentials.username, password }, to.nonce));
    return [
      ...others(request.headers, answers).map(([name, to]) => [name, prove(to)] as const),
      [answers, prove(challenge)],
    ];
  }

  /** The strongest challenge of our realm; one that follows upon an answer of ours only where the nonce was stale. */
  #choose(asked: readonly string[], answered: readonly string[], realm: string | undefined): Challenge | undefined {
    const [strongest] = challengesOf(asked)
      .filter((challenge) => realm === undefined || challenge.realm === realm)
      .sort(byStrength);
    const before = challengesOf(answered).find((proven) => proven.realm === strongest?.realm);
    if (strongest === undefined || before === undefined) return strongest;
    // A weaker algorithm the second time is a way to have the password proven by it.
    const fresh = strongest.stale && strongest.nonce !== before.nonce && byStrength(strongest, before) <= 0;
    return fresh ? strongest : undefined;
  }

  #proof(request: SipRequest, secret: Pick<Proof, 'username' | 'password'>, nonce: string): Proof {
    const count = (this.#counts.get(nonce) ?? 0) + 1;
    this.#counts.delete(nonce);
    this.#counts.set(nonce, count);
    for (const oldest of this.#counts.keys()) {
      if (this.#counts.size <= NONCES) break;
      this.#counts.delete(oldest);
    }
    return { ...secret, method: request.method, uri: request.uri, cnonce: this.#random(), count };
  }
}

function challengesOf(values: readonly string[]): Challenge[] {
  return values.map(readChallenge).filter((challenge) => challenge !== undefined);
}

/** What was proven on the way before, to a proxy in front of the server or the other way round: proven once more. */
function others(headers: Headers, besides: string): (readonly [name: string, challenge: Challenge])[] {
  return [...places.values()]
    .filter(([, answers]) => answers !== besides)
    .flatMap(([, answers]) => challengesOf(headers.lines(answers)).map((challenge) => [answers, challenge] as const));
}
