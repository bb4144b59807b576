import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { stanza } from '../../bridge/bridge.fixture.ts';
import { kept, TestStore } from '../../store/store.fixture.ts';
import type { Store } from '../../store/store.ts';
import { Mailbox } from './mailbox.ts';

describe('A mailbox', () => {
  let files: TestStore;
  let store: Store;
  beforeEach(() => {
    files = new TestStore();
    store = files.open();
  });
  afterEach(() => files.remove());

  const limits = { messages: 10, bytes: 10_000, age: 60_000, senderBytes: 10_000 };
  const open = (): Mailbox => new Mailbox(store, { limits, senderOf: (from) => from });
  const message = stanza('<message from="u@p.example" to="v@h.example" id="1"><body>x</body></message>');

  it('leaves nothing for the next user of that name, nor of what came as the last one was removed', async () => {
    const mailbox = open();
    const told: string[] = [];
    const put = (): boolean => {
      const failed = (reason: string): number => told.push(reason);
      return mailbox.put('v@h.example', message, false, () => told.push('kept'), failed);
    };
    expect(put()).toBe(true);
    await kept(store);
    put();
    mailbox.forget('v@h.example');
    await kept(store);
    expect(told).toEqual(['kept']);
    expect([mailbox.size, open().size]).toEqual([0, 0]);
  });
});
