import { randomInt } from 'node:crypto';
import { foldDomain } from '../../policies/address.ts';
import { Fault } from '../../policies/fault.ts';
import { type Answer, type Finding, MAX_ALIASES, readAnswer } from './answer.ts';
import { TtlCache } from './cache.ts';
import { Coalescer } from './coalescer.ts';
import { exchange } from './exchange.ts';
import type { Question, Reply } from './message.ts';
import type { NaptrRecord, QueryType, RecordTypes, SrvRecord, TlsaRecord, TxtRecord } from './records.ts';
import { isQueryable } from './records.ts';
import { type Security, trustedPath, weakest } from './security.ts';
import { type NameServer, parseNameServer } from './server.ts';

export type { Answer } from './answer.ts';
export type { NaptrRecord, SrvRecord, TlsaRecord, TxtRecord } from './records.ts';
export type { Security } from './security.ts';

export interface ResolverOptions {
  /** Recursive servers in the order to ask: `ip`, `ip:port` or `[v6]:port`. */
  readonly servers: readonly string[];
  /** `trust-ad` believes the AD bit of a server on loopback or in `trusted`; `off` calls every answer insecure. */
  readonly dnssec: 'off' | 'trust-ad';
  /** Addresses besides loopback whose AD bit counts, written as in `servers`; ports do not matter. */
  readonly trusted?: readonly string[];
  /** For one lookup with all its retries and aliases, ms; every try gets an equal share. Default 12 000. */
  readonly timeoutMs?: number;
  /** Rounds through the servers. Default 2. */
  readonly attempts?: number;
  /** Answers kept. Default 4096, about 4 MB. */
  readonly cacheEntries?: number;
  /** Longest time an answer is kept, seconds. Default one day. */
  readonly maxTtl?: number;
  /** Clock of the cache, ms. */
  readonly now?: () => number;
  /** 16-bit query ids; unpredictable, or answers can be forged. */
  readonly randomId?: () => number;
}

export interface LookupOptions {
  readonly signal?: AbortSignal | undefined;
}

type AnyAnswer = Answer<RecordTypes[QueryType]>;

/** Different lookups at once; each holds one socket. */
const MAX_LOOKUPS = 512;
/** RFC 2308 §5 advises one to three hours. */
const MAX_NEGATIVE_TTL = 3600;
/** What is bigger is asked again: it bounds the bytes behind `cacheEntries`. */
const MAX_CACHED_BYTES = 4096;
/** How long a server that did not answer is asked last, ms. */
const LAME_MS = 30_000;

/**
 * A stub resolver: asks recursive servers, with failover, and keeps what they say for as long as they say.
 *
 * Every lookup throws Fault `dns-timeout` (nobody answered), `dns-failed` (they answered with an error),
 * `dns-malformed` (with garbage), `shutting-down` (closed), or the reason of its signal. That a name or its records
 * do not exist is an answer, not an error.
 */
export class Resolver {
  readonly #servers: readonly NameServer[];
  readonly #dnssec: boolean;
  readonly #isTrusted: (address: string) => boolean;
  readonly #timeoutMs: number;
  readonly #attempts: number;
  readonly #maxTtl: number;
  readonly #now: () => number;
  readonly #randomId: () => number;
  readonly #cache: TtlCache<AnyAnswer>;
  readonly #lookups = new Coalescer<AnyAnswer>(MAX_LOOKUPS);
  /** Servers that did not answer, and until when they are asked last. */
  readonly #lame = new Map<NameServer, number>();
  #closed = false;

  /** Throws Fault `config-invalid` where a server cannot be read or none is given. */
  constructor(options: ResolverOptions) {
    if (options.servers.length === 0) throw new Fault('config-invalid', 'No DNS server is given.');
    this.#servers = options.servers.map(parseNameServer);
    this.#dnssec = options.dnssec === 'trust-ad';
    this.#isTrusted = trustedPath((options.trusted ?? []).map((text) => parseNameServer(text).address));
    this.#timeoutMs = options.timeoutMs ?? 12_000;
    this.#attempts = options.attempts ?? 2;
    this.#maxTtl = options.maxTtl ?? 86_400;
    this.#now = options.now ?? Date.now;
    this.#randomId = options.randomId ?? (() => randomInt(0x1_0000));
    this.#cache = new TtlCache(options.cacheEntries ?? 4096, this.#now);
  }

  /** IPv4 addresses in text. */
  a(name: string, options?: LookupOptions): Promise<Answer<string>> {
    return this.#lookup('A', name, options);
  }

  /** IPv6 addresses in text. */
  aaaa(name: string, options?: LookupOptions): Promise<Answer<string>> {
    return this.#lookup('AAAA', name, options);
  }

  /** RFC 2782, in the order of the answer: see `drawOrder`. */
  srv(name: string, options?: LookupOptions): Promise<Answer<SrvRecord>> {
    return this.#lookup('SRV', name, options);
  }

  /** RFC 6698. */
  tlsa(name: string, options?: LookupOptions): Promise<Answer<TlsaRecord>> {
    return this.#lookup('TLSA', name, options);
  }

  /** RFC 3403. */
  naptr(name: string, options?: LookupOptions): Promise<Answer<NaptrRecord>> {
    return this.#lookup('NAPTR', name, options);
  }

  txt(name: string, options?: LookupOptions): Promise<Answer<TxtRecord>> {
    return this.#lookup('TXT', name, options);
  }

  /** Asks anew for everything from now on: an administrator has changed something and says so. */
  forget(): void {
    this.#cache.clear();
    this.#lame.clear();
  }

  /** Ends every lookup under way with Fault `shutting-down`. */
  close(): void {
    this.#closed = true;
    this.#lookups.abortAll(new Fault('shutting-down'));
    this.#cache.clear();
  }

  async #lookup<T extends QueryType>(
    type: T,
    text: string,
    options: LookupOptions = {},
  ): Promise<Answer<RecordTypes[T]>> {
    options.signal?.throwIfAborted();
    if (this.#closed) throw new Fault('shutting-down');
    const name = foldDomain(text);
    if (!isQueryable(name)) return { records: [], security: 'insecure', ttl: 0, exists: false };
    const key = `${type} ${name}`;
    const kept = this.#cache.get(key);
    const answer = kept
      ? { ...kept.value, ttl: kept.ttl }
      : await this.#lookups.run(key, (signal) => this.#resolve({ name, type }, signal), options.signal);
    // The type is part of the key, so the records are of that type.
    return answer as Answer<RecordTypes[T]>;
  }

  async #resolve(question: Question, abandoned: AbortSignal): Promise<AnyAnswer> {
    const deadline = new AbortController();
    const timer = setTimeout(() => deadline.abort(new Fault('dns-timeout')), this.#timeoutMs);
    const signal = AbortSignal.any([abandoned, deadline.signal]);
    try {
      return await this.#follow(question, signal);
    } finally {
      clearTimeout(timer);
    }
  }

  async #follow(question: Question, signal: AbortSignal): Promise<AnyAnswer> {
    let aliasesLeft = MAX_ALIASES;
    let security: Security = 'secure';
    let ttl = this.#maxTtl;
    let bytes = 0;
    let name: string | undefined = question.name;
    let finding: Finding | undefined;
    while (name !== undefined) {
      const asked = await this.#ask({ name, type: question.type }, aliasesLeft, signal);
      finding = asked.finding;
      aliasesLeft -= finding.aliases;
      security = weakest(security, asked.security);
      ttl = Math.min(ttl, finding.ttl, finding.records.length > 0 || finding.next ? ttl : MAX_NEGATIVE_TTL);
      bytes += asked.bytes;
      name = finding.next;
    }
    const answer = { records: finding?.records ?? [], exists: finding?.exists ?? false, security, ttl };
    if (bytes <= MAX_CACHED_BYTES) this.#cache.set(`${question.type} ${question.name}`, answer, ttl);
    return answer;
  }

  async #ask(question: Question, aliasesLeft: number, signal: AbortSignal) {
    const tries = Array.from({ length: this.#attempts }, () => this.#inOrder()).flat();
    const how = { randomId: this.#randomId, dnssec: this.#dnssec, timeoutMs: this.#timeoutMs / tries.length };
    let fault: Fault | undefined;
    for (const server of tries) {
      let reply: Reply | undefined;
      try {
        reply = await exchange(server, question, { ...how, signal });
        this.#lame.delete(server);
        const finding = readAnswer(reply, question, aliasesLeft);
        const secure = this.#dnssec && reply.authentic && this.#isTrusted(server.address);
        const security: Security = secure ? 'secure' : 'insecure';
        return { finding, security, bytes: reply.bytes };
      } catch (error) {
        if (signal.aborted || !(error instanceof Fault)) throw error;
        if (reply === undefined) this.#lame.set(server, this.#now() + LAME_MS);
        // What a server said tells more than another one's silence.
        if (fault === undefined || error.code !== 'dns-timeout') fault = error;
      }
    }
    throw fault ?? new Fault('dns-failed');
  }

  /** As configured, those silent of late last. */
  #inOrder(): NameServer[] {
    const now = this.#now();
    const isLame = (server: NameServer) => (this.#lame.get(server) ?? 0) > now;
    return [...this.#servers.filter((one) => !isLame(one)), ...this.#servers.filter(isLame)];
  }
}
