import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { OutboxTable } from '../store/outbox-table.ts';
import { kept, TestStore } from '../store/store.fixture.ts';
import type { Store } from '../store/store.ts';
import { Border, setOf, stanza } from './bridge.fixture.ts';
import type { BridgeOptions } from './bridge.ts';

const PARTNER = 'partner: fabrikam.example\nmessages: { allow: both }\n';
const OTHER = 'partner: tailspin.example\nmessages: { allow: both }\n';

const outward = (id: string) =>
  stanza(`<message from="ann@contoso.example" to="bob@fabrikam.example" id="${id}"><body>${id}</body></message>`);
const homeward = (id: string) =>
  stanza(`<message from="bob@fabrikam.example" to="ann@contoso.example" id="${id}"><body>${id}</body></message>`);

describe('What the bridge keeps', () => {
  let files: TestStore;
  let store: Store;
  let border: Border;

  const outboxOf = (): BridgeOptions['outbox'] => ({
    store: {
      table: new OutboxTable(store),
      write: (work, failed) => store.write(work, failed),
      whenKept: (then) => store.whenKept(then),
      read: (bytes) => stanza(bytes.toString()),
    },
    limits: { messages: 10, bytes: 1_000_000, ageMs: 60_000 },
  });
  const settled = async (): Promise<void> => {
    for (let turn = 0; turn < 4; turn++) {
      store.write(() => undefined);
      await kept(store);
    }
  };
  const types = () =>
    [border.sent, border.delivered].map((list) => list.map(({ stanza: { id, type } }) => `${type}${id}`));

  beforeEach(() => {
    files = new TestStore();
    store = files.open();
    border = new Border();
    border.restart(outboxOf(), PARTNER);
  });
  afterEach(async () => {
    border.bridge.close();
    await settled();
    files.remove();
  });

  it('comes back where a new policy says that its partner is none any more', async () => {
    border.edgeDown = true;
    border.homeDown = true;
    border.outbound(outward('1'));
    border.inbound(homeward('2'));
    await settled();
    expect(types()).toEqual([[], []]);
    border.homeDown = false;
    border.bridge.replacePolicies(setOf(OTHER));
    await settled();
    expect(types()).toEqual([['error2'], ['error1']]);
    expect(border.refusals.map(({ reason }) => reason)).toEqual(['no-partner', 'no-partner']);
    expect(border.bridge.kept.kept).toBe(0);
  });

  it('comes back where its partner was taken out while the gateway did not run', async () => {
    border.edgeDown = true;
    border.outbound(outward('1'));
    await settled();
    border.edgeDown = false;
    border.bridge.close();
    await settled();
    border.restart(outboxOf(), OTHER);
    await settled();
    expect(types()).toEqual([[], ['error1']]);
    expect(border.bridge.kept.kept).toBe(0);
  });

  it('is answered once where a home takes it, and then fails to store it', async () => {
    border.inbound(homeward('1'));
    border.inbound(homeward('2'));
    await settled();
    const [first] = border.delivered.map((one) => one.stanza);
    if (first === undefined) throw new Error('nothing was handed on');
    border.bridge.delivered(first);
    border.bridge.undeliverable(first, 'store-failed');
    await settled();
    expect(types()).toEqual([['error1'], ['1', '2']]);
    // The second message, and the error.
    expect(border.bridge.kept.kept).toBe(2);
  });

  it('ends where an error cannot be delivered either', async () => {
    border.inbound(homeward('1'));
    await settled();
    for (const one of border.delivered) border.bridge.undeliverable(one.stanza, 'home-unavailable');
    await settled();
    for (const one of border.sent) border.bridge.undeliverable(one.stanza, 'queue-expired');
    await settled();
    expect(types()).toEqual([['error1'], ['1']]);
    expect(border.bridge.kept.kept).toBe(0);
  });
});
