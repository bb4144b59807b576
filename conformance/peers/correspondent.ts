import { type Element, xml } from '@xmpp/client';
import type { TestClient } from './client.ts';

/** Who sends or receives a flow. */
export interface Party {
  readonly address: string;
  /** Hears of every message from now on. */
  listen(listener: (message: Element) => void): void;
  /**
   * Gives messages to the party's own server in one write. Resolves with whether it answered for them: when it did not
   * they were cut off with the connection, which is over by then.
   */
  hand(messages: readonly Element[]): Promise<boolean>;
}

/** A user who goes offline and comes back; what arrives is kept over all of it. */
export class Correspondent implements Party {
  readonly address: string;
  readonly #connect: () => Promise<TestClient>;
  readonly #listeners: ((message: Element) => void)[] = [];
  #client: Promise<TestClient> | undefined;
  #returned = Promise.withResolvers<void>();

  constructor(address: string, connect: () => Promise<TestClient>) {
    this.address = address;
    this.#connect = connect;
  }

  /** Connects and becomes available; resolves when it has. Does nothing for who is there. */
  async online(): Promise<void> {
    if (this.#client !== undefined) return;
    const connecting = this.#connect();
    this.#client = connecting;
    const client = await connecting;
    client.messages.consume((message) => {
      for (const listener of this.#listeners) listener(message);
    });
    void client.disconnected.then(() => {
      this.#client = undefined;
    });
    this.#returned.resolve();
    this.#returned = Promise.withResolvers();
  }

  async offline(): Promise<void> {
    await (await this.#client)?.close();
  }

  /** The client that stands, or the next one to stand. */
  async client(): Promise<TestClient> {
    while (this.#client === undefined) await this.#returned.promise;
    return this.#client;
  }

  listen(listener: (message: Element) => void): void {
    this.#listeners.push(listener);
  }

  async hand(messages: readonly Element[]): Promise<boolean> {
    const client = await this.client();
    const answered = answer(client, messages);
    const accepted = await Promise.race([answered, client.disconnected.then(() => false)]);
    if (!accepted) await client.disconnected;
    return accepted;
  }
}

/** Writes, and asks the user's own server for an answer behind it (XEP-0199): then it has taken them. */
async function answer(client: TestClient, messages: readonly Element[]): Promise<boolean> {
  try {
    await client.sendAll(messages);
    const ping = xml('iq', { type: 'get' }, xml('ping', { xmlns: 'urn:xmpp:ping' }));
    return (await client.request(ping)).attrs.type !== undefined;
  } catch {
    return false;
  }
}
