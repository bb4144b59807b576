/** What an error that comes late must know of the MESSAGE that it is about. */
export interface AnsweredMessage {
  readonly callId: string;
  /** Whether the sender has been told of a failure: twice is once too often. */
  readonly failed: boolean;
}

/** MESSAGEs answered last; of one that is forgotten the Call-ID is not told. */
const REMEMBERED = 10_000;

/** MESSAGEs that have had their final response, by stanza id, the last of them. */
export class AnsweredMessages {
  readonly #byId = new Map<string, AnsweredMessage>();
  /** In the order in which they came; a Map knows it too, but finds its first only behind all that were taken out. */
  readonly #ids: string[] = [];
  #next = 0;

  set(id: string, message: AnsweredMessage): void {
    if (!this.#byId.has(id)) this.#remember(id);
    this.#byId.set(id, message);
  }

  get(id: string): AnsweredMessage | undefined {
    return this.#byId.get(id);
  }

  /** In the place of the one that came first. */
  #remember(id: string): void {
    const oldest = this.#ids[this.#next];
    if (oldest !== undefined) this.#byId.delete(oldest);
    this.#ids[this.#next] = id;
    this.#next = (this.#next + 1) % REMEMBERED;
  }
}
