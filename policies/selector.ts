import { type Address, foldDomain, parseAddress } from './address.ts';
import type { Measured } from './units.ts';

/**
 * Whom a rule means among the local users, as written in a policy: `*` everybody and everything, `user@domain` one
 * user, `*@domain` every user of a domain, `domain` the domain's own address, `group:name` the members of a group.
 */
export type Selector =
  | { readonly kind: 'all' }
  | { readonly kind: 'address'; readonly bare: string }
  | { readonly kind: 'users'; readonly domain: string }
  | { readonly kind: 'group'; readonly name: string };

/** What a group may be called. */
export const GROUP_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

const FORMS = 'write `*`, `user@domain`, `*@domain`, `domain` or `group:name`';

/** Reads a selector, folding what it names. */
export function parseSelector(text: string): Measured<Selector> {
  if (text === '*') return { value: { kind: 'all' } };
  if (text.startsWith('group:')) {
    const name = text.slice('group:'.length);
    if (GROUP_NAME.test(name)) return { value: { kind: 'group', name } };
    return {
      problem: `\`${name}\` is no name of a group`,
      remedy: 'use letters, digits, dots, dashes and underscores',
    };
  }
  if (text.startsWith('*@')) {
    const domain = foldDomain(text.slice(2));
    if (domain !== undefined) return { value: { kind: 'users', domain } };
    return { problem: `\`${text.slice(2)}\` is no domain`, remedy: FORMS };
  }
  if (text.includes('*')) return { problem: `the star in \`${text}\` stands for nothing`, remedy: FORMS };
  if (text.includes('/')) {
    return {
      problem: `\`${text}\` names a resource`,
      remedy: 'a rule holds for a user: leave out the `/` and what follows',
    };
  }
  const address = parseAddress(text);
  if (address === undefined) return { problem: `\`${text}\` is no address`, remedy: FORMS };
  return { value: { kind: 'address', bare: address.bare } };
}

/** A set of local addresses, made of selectors whose groups are already resolved. */
export class Matcher {
  #all = false;
  readonly #bares = new Set<string>();
  readonly #domains = new Set<string>();

  /** Adds whom a selector means; a group means nobody here, resolve it first. */
  add(selector: Selector): this {
    if (selector.kind === 'all') this.#all = true;
    else if (selector.kind === 'address') this.#bares.add(selector.bare);
    else if (selector.kind === 'users') this.#domains.add(selector.domain);
    return this;
  }

  /** Adds everybody another matcher means. */
  addAll(other: Matcher): this {
    this.#all ||= other.#all;
    for (const bare of other.#bares) this.#bares.add(bare);
    for (const domain of other.#domains) this.#domains.add(domain);
    return this;
  }

  matches(local: Address): boolean {
    return this.#all || this.#bares.has(local.bare) || (local.local !== '' && this.#domains.has(local.domain));
  }

  /** Whether everybody `other` means is meant here too. */
  covers(other: Matcher): boolean {
    if (this.#all) return true;
    if (other.#all) return false;
    for (const domain of other.#domains) if (!this.#domains.has(domain)) return false;
    for (const bare of other.#bares) {
      const at = bare.indexOf('@');
      if (!this.#bares.has(bare) && !(at >= 0 && this.#domains.has(bare.slice(at + 1)))) return false;
    }
    return true;
  }

  get empty(): boolean {
    return !this.#all && this.#bares.size === 0 && this.#domains.size === 0;
  }
}
