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

  set(id: string, message: AnsweredMessage): void {
    if (this.#byId.size >= REMEMBERED) {
      for (const oldest of this.#byId.keys()) {
        this.#byId.delete(oldest);
        break;
      }
    }
    this.#byId.set(id, message);
  }

  get(id: string): AnsweredMessage | undefined {
    return this.#byId.get(id);
  }
}
