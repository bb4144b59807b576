import type { Clock } from '../transaction/clock.ts';
import type { Target } from './locate.ts';

/** How long a list of targets is used before it is located again, ms; what DNS says is kept by the resolver as long as it may be. */
const FRESH_MS = 30_000;
/** How long a target that failed is tried last, ms. */
const AVOIDED_MS = 30_000;
/** A Retry-After beyond this is not believed, ms: an overload passes, and a trunk must not be shut for a day by one header. */
const MOST_AVOIDED_MS = 300_000;
/** Targets remembered as failed: those of today and of some days before. */
const REMEMBERED = 64;

export interface TargetsOptions {
  readonly clock: Clock;
  locate(signal: AbortSignal): Promise<readonly Target[]>;
}

/** The targets of one trunk in their order, and which of them to try last (RFC 3263 §4.3). */
export class Targets {
  readonly #options: TargetsOptions;
  readonly #avoided = new Map<string, number>();
  readonly #closing = new AbortController();
  #list: readonly Target[] = [];
  #until = Number.NEGATIVE_INFINITY;
  #locating: Promise<readonly Target[]> | undefined;

  constructor(options: TargetsOptions) {
    this.#options = options;
  }

  /** Those known now, the avoided ones last; undefined where they must be located first. */
  get known(): readonly Target[] | undefined {
    return this.#options.clock.now() < this.#until ? this.#inOrder(this.#list) : undefined;
  }

  /** Those of today, the avoided ones last. Throws what locating throws. */
  async located(): Promise<readonly Target[]> {
    const { known } = this;
    if (known !== undefined) return known;
    this.#locating ??= this.#locate().finally(() => {
      this.#locating = undefined;
    });
    return this.#inOrder(await this.#locating);
  }

  /** Tried last for so many ms: it failed, or asked for it (Retry-After). */
  avoid(target: Target, ms = AVOIDED_MS): void {
    const key = keyOf(target);
    this.#avoided.delete(key);
    const oldest = this.#avoided.size < REMEMBERED ? undefined : this.#avoided.keys().next().value;
    if (oldest !== undefined) this.#avoided.delete(oldest);
    this.#avoided.set(key, this.#options.clock.now() + Math.min(ms, MOST_AVOIDED_MS));
  }

  /** It works: tried in its turn again. */
  trust(target: Target): void {
    if (this.#avoided.size > 0) this.#avoided.delete(keyOf(target));
  }

  /** Nobody serves: they may be somewhere else by now. */
  expire(): void {
    this.#until = Number.NEGATIVE_INFINITY;
  }

  isAvoided(target: Target): boolean {
    if (this.#avoided.size === 0) return false;
    const until = this.#avoided.get(keyOf(target)) ?? Number.NEGATIVE_INFINITY;
    return until > this.#options.clock.now();
  }

  close(): void {
    this.#closing.abort();
  }

  async #locate(): Promise<readonly Target[]> {
    this.#list = await this.#options.locate(this.#closing.signal);
    this.#until = this.#options.clock.now() + FRESH_MS;
    return this.#list;
  }

  #inOrder(targets: readonly Target[]): readonly Target[] {
    if (this.#avoided.size === 0) return targets;
    const avoided = targets.filter((target) => this.isAvoided(target));
    return avoided.length === 0 ? targets : [...targets.filter((target) => !avoided.includes(target)), ...avoided];
  }
}

/** One text for one target. */
export function keyOf({ host, port }: Target): string {
  return `${host} ${port}`;
}
