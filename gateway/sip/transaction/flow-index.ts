import type { Flow } from '../transport/flow.ts';

/** What rests on which flow. */
export class FlowIndex<T> {
  readonly #byFlow = new Map<Flow, Set<T>>();

  /** How many rest on a flow. */
  count(flow: Flow): number {
    return this.#byFlow.get(flow)?.size ?? 0;
  }

  add(flow: Flow, item: T): void {
    const items = this.#byFlow.get(flow);
    if (items === undefined) this.#byFlow.set(flow, new Set([item]));
    else items.add(item);
  }

  delete(flow: Flow, item: T): void {
    const items = this.#byFlow.get(flow);
    if (items?.delete(item) === true && items.size === 0) this.#byFlow.delete(flow);
  }

  /** Takes out all of a flow. */
  take(flow: Flow): Iterable<T> {
    const items = this.#byFlow.get(flow) ?? [];
    this.#byFlow.delete(flow);
    return items;
  }

  clear(): void {
    this.#byFlow.clear();
  }
}
