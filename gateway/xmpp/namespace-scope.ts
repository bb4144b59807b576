import { ns } from './namespaces.ts';
import { malformed, type StreamFault } from './stream-error.ts';

interface Binding {
  readonly uri: string;
  /** 0 for the stream header. */
  readonly level: number;
}

interface Shadowed {
  readonly prefix: string;
  readonly before: Binding | undefined;
  readonly level: number;
}

/** The namespace prefixes in scope at the current place of a stream (Namespaces in XML 1.0). */
export class NamespaceScope {
  /** Declarations of the stream header that were used since this was last cleared. */
  readonly borrowed = new Map<string, string>();
  readonly #bindings = new Map<string, Binding>();
  readonly #shadowed: Shadowed[] = [];

  /** Takes a declaration `xmlns:prefix='uri'` that stands on an element of this level. */
  bind(prefix: string, uri: string, level: number): void {
    const reserved = prefix === 'xmlns' || uri === ns.xmlns || (prefix === 'xml') !== (uri === ns.xml);
    if (reserved || uri === '') throw unusable(`xmlns:${prefix}`);
    if (level > 0) this.#shadowed.push({ prefix, before: this.#bindings.get(prefix), level });
    this.#bindings.set(prefix, { uri, level });
  }

  /** What a prefix stands for here. */
  uriOf(prefix: string): string {
    if (prefix === 'xml') return ns.xml;
    const binding = this.#bindings.get(prefix);
    if (binding === undefined) throw unusable(prefix);
    if (binding.level === 0) this.borrowed.set(prefix, binding.uri);
    return binding.uri;
  }

  /** Leaves the elements of this level and deeper. */
  leave(level: number): void {
    for (let last = this.#shadowed.at(-1); last !== undefined && last.level >= level; last = this.#shadowed.at(-1)) {
      this.#shadowed.pop();
      if (last.before === undefined) this.#bindings.delete(last.prefix);
      else this.#bindings.set(last.prefix, last.before);
    }
  }

  /** Whether anything was declared inside the stream and not left yet. */
  get nested(): boolean {
    return this.#shadowed.length > 0;
  }

  binds(uri: string): boolean {
    return [...this.#bindings.values()].some((binding) => binding.uri === uri);
  }

  clear(): void {
    this.#bindings.clear();
    this.#shadowed.length = 0;
    this.borrowed.clear();
  }
}

/** Refuses what may be no default namespace. */
export function checkDefaultNamespace(uri: string): void {
  if (uri === ns.xml || uri === ns.xmlns) throw unusable('xmlns');
}

/** Prefix and local name of a name made of name bytes; a colon anywhere but once in the middle is malformed. */
export function splitName(name: string): readonly [prefix: string, local: string] {
  const colon = name.indexOf(':');
  if (colon < 0) return ['', name];
  const local = name.slice(colon + 1);
  if (colon === 0 || !/^[A-Za-z_][^:]*$/.test(local)) throw unusable(name);
  return [name.slice(0, colon), local];
}

function unusable(prefix: string): StreamFault {
  return malformed(`The namespace prefix in "${prefix}" is not usable.`);
}
