import { Fault } from '../../policies/fault.ts';
import type { ScannedElement, StreamHeader } from './start-tag.ts';
import { StreamFault } from './stream-error.ts';

type Item = { header: StreamHeader; element?: undefined } | { element: ScannedElement; header?: undefined };

/** Elements a peer may send ahead of our reading them; an honest one waits for each answer. */
const AHEAD = 8;

/** What the peer says while a stream is negotiated, to be awaited step by step. */
export class Inbox {
  readonly #items: Item[] = [];
  #waiting: { resolve: (item: Item) => void; reject: (fault: Fault) => void } | undefined;
  #fault: Fault | undefined;

  put(item: StreamHeader | ScannedElement): void {
    const wrapped: Item = 'bytes' in item ? { element: item } : { header: item };
    if (this.#waiting) {
      this.#waiting.resolve(wrapped);
      this.#waiting = undefined;
      return;
    }
    if (this.#items.length >= AHEAD) throw new StreamFault('policy-violation', 'stream-protocol', 'Too much at once.');
    this.#items.push(wrapped);
  }

  /** Nothing more will come. */
  fail(fault: Fault): void {
    this.#fault ??= fault;
    this.#waiting?.reject(this.#fault);
    this.#waiting = undefined;
  }

  /** The next thing, which must be a stream header. */
  async header(): Promise<StreamHeader> {
    const { header } = await this.#next();
    if (header === undefined)
      throw new StreamFault('bad-format', 'stream-protocol', 'An element came before a header.');
    return header;
  }

  /** The next thing, which must be an element of this namespace, and of this name where one is given. */
  async element(namespace: string, name?: string): Promise<ScannedElement> {
    const { element } = await this.#next();
    if (element === undefined || element.namespace !== namespace || (name !== undefined && element.name !== name)) {
      throw new Fault(
        'stream-protocol',
        `Expected <${name ?? '…'} xmlns='${namespace}'>, got <${element?.name ?? 'stream'}>.`,
      );
    }
    return element;
  }

  #next(): Promise<Item> {
    const item = this.#items.shift();
    if (item) return Promise.resolve(item);
    if (this.#fault) return Promise.reject(this.#fault);
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
    });
  }
}
