/** Things found by domain: by its own name first, then by the longest `*.domain` above it, which stands for any number of labels. */
export class DomainIndex<T> {
  readonly #exact = new Map<string, T[]>();
  readonly #below = new Map<string, T[]>();

  /** @param pattern folded, or `*.` and a folded domain. */
  add(pattern: string, value: T): void {
    const [map, key] = pattern.startsWith('*.') ? [this.#below, pattern.slice(2)] : [this.#exact, pattern];
    const values = map.get(key) ?? [];
    if (!values.includes(value)) values.push(value);
    map.set(key, values);
  }

  /** In the order of their adding, the nearest pattern first. */
  get(domain: string): readonly T[] {
    const exact = this.#exact.get(domain);
    if (this.#below.size === 0) return exact ?? [];
    const found = new Set(exact);
    for (let dot = domain.indexOf('.'); dot >= 0; dot = domain.indexOf('.', dot + 1)) {
      for (const value of this.#below.get(domain.slice(dot + 1)) ?? []) found.add(value);
    }
    return [...found];
  }
}

/** Whether a folded domain is one of these, folded domains or `*.domain`. */
export function coversDomain(patterns: readonly string[], domain: string): boolean {
  return patterns.some(
    (pattern) => pattern === domain || (pattern.startsWith('*.') && domain.endsWith(pattern.slice(1))),
  );
}
