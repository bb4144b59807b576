import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { elsewhere, homeward, messageOf, outward, TestOutbox } from './outbox.fixture.ts';
import { routeName } from './outbox-route.ts';
import type { Stanza } from './stanza.ts';

const presence = (id: string): string => `<presence from="u@h.example" to="v@p.example" id="${id}"/>`;
const subscribed = (id: string): string =>
  `<presence from="u@h.example" to="v@p.example" type="subscribed" id="${id}"/>`;
const ping = (id: string): string =>
  `<iq type="get" from="u@h.example" to="p.example" id="${id}"><ping xmlns="urn:xmpp:ping"/></iq>`;
const numbers = (count: number, from = 1): string[] =>
  Array.from({ length: count }, (_, index) => String(from + index));

describe('The outbox', () => {
  let box: TestOutbox;
  beforeEach(() => {
    box = new TestOutbox();
  });
  afterEach(() => box.close());

  const down = (): 'none' => 'none';
  const delivered = (...ids: string[]): void => {
    for (const stanza of box.handed) if (ids.includes(stanza.id)) box.outbox.settle(stanza);
  };

  it('hands nothing on before it is kept, and then all in order', async () => {
    for (const id of numbers(5)) expect(box.put(id)).toBe(true);
    expect(box.ids).toEqual([]);
    await box.kept();
    expect(box.ids).toEqual(numbers(5));
    expect(box.outbox.load.kept).toBe(5);
  });

  it('passes at once what it does not keep, but not before what came first', async () => {
    box.put('p1', presence('p1'));
    box.put('q1', ping('q1'));
    expect(box.ids).toEqual(['p1', 'q1']);
    box.put('1');
    box.put('q2', ping('q2'));
    box.put('2');
    expect(box.ids).toEqual(['p1', 'q1']);
    await box.kept();
    expect(box.ids).toEqual(['p1', 'q1', '1', 'q2', '2']);
    expect(box.handed.filter(({ kept }) => kept !== undefined).map(({ id }) => id)).toEqual(['1', '2']);
  });

  it('hands on again, after a crash, what was accepted and never sent', async () => {
    box.takes = down;
    for (const id of numbers(3)) box.put(id);
    box.put('s', subscribed('s'));
    await box.kept();
    box.put('4');
    await box.kept();
    box.takes = () => 'more';
    box.restart();
    await box.kept();
    expect(box.ids).toEqual(['1', '2', '3', 's', '4']);
    expect(box.bounced).toEqual([]);
    expect(box.handed[0]).toMatchObject({ from: 'u@h.example', to: 'v@p.example', name: 'message' });
    expect(box.handed[0]?.bytes.toString()).toBe(messageOf('1').bytes.toString());
  });

  it('forgets what is delivered, and bounces what a crash leaves in doubt, once', async () => {
    for (const id of numbers(4)) box.put(id);
    box.put('s', subscribed('s'));
    await box.kept();
    delivered('1', '2');
    box.put('5');
    await box.kept();
    box.handed.length = 0;
    box.restart();
    await box.kept();
    expect(box.bounced).toEqual(['3', '4', '5'].map((id) => `${id}: delivery-doubtful`));
    // A subscription says the same when it is said twice.
    expect(box.ids).toEqual(['s']);
    expect(box.answered).toEqual(['3', '4', '5']);
    box.restart();
    expect(box.bounced.filter((text) => /^[345]/.test(text))).toHaveLength(3);
  });

  it('loses with a crash only what was not accepted yet', async () => {
    box.takes = down;
    for (const id of ['1', '2']) {
      box.put(id);
      await box.kept();
    }
    box.put('3');
    box.takes = () => 'more';
    box.restart();
    await box.kept();
    expect([box.ids, box.bounced]).toEqual([['1', '2'], []]);
  });

  it('keeps the order of what waits while nothing stands, and goes on when there is room', async () => {
    box.takes = down;
    for (const id of numbers(3)) box.put(id);
    await box.kept();
    for (const id of numbers(3, 4)) expect(box.put(id)).toBe(true);
    box.put('p', presence('p'));
    await box.kept();
    expect(box.ids).toEqual([]);
    box.takes = () => 'more';
    box.room();
    await box.kept();
    expect(box.ids).toEqual([...numbers(6), 'p']);
  });

  it('asks for a pause where the other end is full, and says when to go on', async () => {
    box.takes = ({ id }) => (id === '2' ? 'enough' : 'more');
    for (const id of numbers(4)) box.put(id);
    await box.kept();
    expect(box.ids).toEqual(['1', '2']);
    expect(box.put('5')).toBe(false);
    await box.kept();
    expect(box.relieved).toBe(0);
    box.takes = () => 'more';
    box.room();
    await box.kept();
    expect([box.ids, box.relieved]).toEqual([numbers(5), 1]);
  });

  it('lets nobody wait for an end that has gone', async () => {
    box.takes = () => 'enough';
    box.put('1');
    await box.kept();
    expect(box.put('2')).toBe(false);
    await box.kept();
    box.takes = down;
    box.room();
    await box.kept();
    expect(box.relieved).toBe(1);
    expect(box.put('3')).toBe(true);
  });

  it('takes back in order what was handed on and certainly not sent', async () => {
    for (const id of numbers(5)) box.put(id);
    await box.kept();
    delivered('1');
    const [, , ...unsent] = box.handed.splice(0);
    box.takes = down;
    box.outbox.returned(unsent);
    box.put('6');
    await box.kept();
    box.takes = () => 'more';
    box.room();
    await box.kept();
    expect(box.ids).toEqual(['3', '4', '5', '6']);
    // The second is still under way, and in doubt when the process dies; the others too by now.
    box.restart();
    expect(box.bounced).toEqual(['2', '3', '4', '5', '6'].map((id) => `${id}: delivery-doubtful`));
  });

  it('bounces what comes over the bounds, in number and in bytes, until there is room', async () => {
    const small = new TestOutbox({ limits: { messages: 3, bytes: 1_000 } });
    for (const id of numbers(5)) small.put(id);
    expect(small.bounced).toEqual(['4: queue-full', '5: queue-full']);
    await small.kept();
    small.outbox.settle(small.handed[0] as Stanza);
    small.put('6');
    small.put(
      'big',
      `<message from="u@h.example" to="v@p.example" id="big"><body>${'x'.repeat(1_000)}</body></message>`,
    );
    expect(small.bounced.slice(2)).toEqual(['big: queue-full']);
    await small.kept();
    expect(small.ids).toEqual(['1', '2', '3', '6']);
    small.close();
  });

  it('reads from disk what memory does not hold, in order, across a crash', async () => {
    const body = 'y'.repeat(40_000);
    const big = (id: string): string =>
      `<message from="u@h.example" to="v@p.example" id="${id}"><body>${body}</body></message>`;
    box.takes = down;
    for (const id of numbers(40)) {
      box.put(id, big(id));
      if (Number(id) % 8 === 0) await box.kept();
    }
    box.restart();
    await box.kept();
    expect(box.ids).toEqual([]);
    box.takes = () => 'more';
    box.room();
    for (let round = 0; round < 40 && box.handed.length < 40; round++) await box.kept();
    expect(box.ids).toEqual(numbers(40));
    delivered(...numbers(40));
    expect(box.outbox.load).toEqual({ kept: 0, oldestMs: 0 });
  });

  it('refuses what the disk has no room for, with its reason, and takes it again later', async () => {
    const full = new TestOutbox({ bytes: 200_000 });
    full.takes = down;
    const big = (id: string): string =>
      `<message from="u@h.example" to="v@p.example" id="${id}"><body>${'z'.repeat(20_000)}</body></message>`;
    for (const id of numbers(20)) {
      full.put(id, big(id));
      await full.kept();
    }
    const refused = full.bounced.map((text) => text.split(': ')[0]);
    expect(refused.length).toBeGreaterThan(5);
    expect(full.bounced.every((text) => text.endsWith('store-failed'))).toBe(true);
    full.takes = () => 'more';
    full.room();
    for (let round = 0; round < 20; round++) await full.kept();
    expect(full.ids).toEqual(numbers(20).filter((id) => !refused.includes(id)));
    for (const stanza of full.handed) full.outbox.settle(stanza);
    full.put('later');
    await full.kept();
    expect(full.ids.at(-1)).toBe('later');
    full.close();
  });

  it('passes an error on unkept where the disk is full: it is the last word on what it answers', async () => {
    const full = new TestOutbox({ bytes: 120_000 });
    const error = `<message from="u@h.example" to="v@p.example" type="error" id="e"><error type="wait">${'z'.repeat(200_000)}</error></message>`;
    full.put('e', error);
    await full.kept();
    expect(full.handed.map(({ id, kept }) => [id, kept])).toEqual([['e', undefined]]);
    expect(full.bounced).toEqual([]);
    full.close();
  });

  it('bounces all that waits where no way leads any more', async () => {
    box.takes = down;
    for (const id of numbers(3)) box.put(id);
    await box.kept();
    box.outbox.refuse({ direction: 'outbound', home: 'h.example', partner: 'p.example' }, 'dns-not-found');
    expect(box.bounced).toEqual(numbers(3).map((id) => `${id}: dns-not-found`));
    box.takes = () => 'more';
    box.put('4');
    await box.kept();
    expect(box.ids).toEqual(['4']);
  });

  it('sends nothing twice though more arrives while it marks what waits', async () => {
    box.takes = down;
    box.put('1');
    await box.kept();
    box.takes = () => 'more';
    box.room();
    box.put('2');
    await box.turn();
    expect(box.ids).toEqual(['1']);
    box.restart();
    await box.kept();
    expect(box.ids).toEqual(['1', '2']);
    expect(box.bounced).toEqual(['1: delivery-doubtful']);
  });

  it('takes over in one commit what is stored as it is handed on', async () => {
    box.takes = (stanza) => {
      box.store.write(() => undefined);
      box.outbox.settle(stanza);
      return 'more';
    };
    box.put('1');
    await box.turn();
    await box.turn();
    expect(box.ids).toEqual(['1']);
    box.restart();
    expect(box.bounced).toEqual([]);
  });

  it('bounces once what a crash left in doubt, though others of its row still wait', async () => {
    box.put('s', subscribed('s'));
    box.put('1');
    await box.kept();
    box.takes = down;
    for (let time = 0; time < 3; time++) {
      box.restart();
      await box.kept();
    }
    expect(box.bounced).toEqual(['1: delivery-doubtful']);
    box.takes = () => 'more';
    box.handed.length = 0;
    box.room();
    await box.kept();
    expect(box.ids).toEqual(['s']);
  });

  it('settles nothing twice, and nothing else instead', async () => {
    for (const id of numbers(2)) {
      box.put(id);
      await box.kept();
    }
    delivered('1');
    delivered('1');
    box.put('3');
    await box.kept();
    expect([box.outbox.load.kept, box.rows]).toEqual([2, 2]);
    box.restart();
    expect(box.bounced).toEqual(['2', '3'].map((id) => `${id}: delivery-doubtful`));
  });

  it('leaves nothing in doubt when it stops in good order', async () => {
    box.put('1');
    box.stopAndStart();
    await box.kept();
    expect([box.ids, box.bounced]).toEqual([['1'], []]);
    box.takes = () => 'enough';
    for (const id of numbers(3, 2)) box.put(id);
    await box.kept();
    expect(box.ids).toEqual(['1', '2']);
    delivered('1', '2');
    box.stopAndStart();
    expect(box.bounced).toEqual([]);
  });

  it('leaves in no doubt for long what it marked and could not send', async () => {
    box.takes = () => 'enough';
    for (const id of numbers(3)) box.put(id);
    await box.kept();
    delivered('1');
    box.outbox.lookOver();
    box.put('4');
    await box.kept();
    box.takes = () => 'more';
    box.handed.length = 0;
    box.restart();
    await box.kept();
    expect([box.ids, box.bounced]).toEqual([numbers(3, 2), []]);
  });

  it('hands nothing on before it is started, and mixes nothing up with what it held', async () => {
    box.takes = down;
    for (const id of numbers(2)) {
      box.put(id);
      await box.kept();
    }
    box.takes = () => 'more';
    box.recover();
    box.put('3');
    await box.kept();
    expect(box.ids).toEqual([]);
    box.outbox.start();
    await box.kept();
    expect(box.ids).toEqual(numbers(3));
    expect(box.handed.map(({ kept }) => kept?.ticket)).toEqual([1, 2, 3]);
  });

  it('lets go of nobody who waits to go on', async () => {
    box.takes = () => 'enough';
    expect(box.put('p', presence('p'))).toBe(false);
    for (let round = 0; round < 200; round++) box.outbox.lookOver();
    await box.kept();
    box.room();
    expect(box.relief).toEqual(['out h.example p.example']);
    // What passes beside its queues may fill a way as well.
    box.room(elsewhere);
    expect(box.relief.slice(1)).toEqual(['out h.example q.example']);
  });

  it('goes on after one that could not be handed on at all', async () => {
    box.takes = ({ id }) => {
      if (id === '1') throw new Error('a defect');
      return 'more';
    };
    for (const id of numbers(3)) box.put(id);
    await box.kept();
    box.room();
    expect(box.ids).toEqual(['2', '3']);
  });

  it('keeps errors beyond the bounds, within others: where one is lost, nobody is told', async () => {
    const small = new TestOutbox({ limits: { messages: 3 } });
    small.takes = down;
    const error = (id: string): string =>
      `<message from="u@h.example" to="v@p.example" type="error" id="${id}"><error type="wait"/></message>`;
    for (const id of numbers(4)) small.put(id);
    for (const id of numbers(10, 5)) small.put(id, error(id));
    expect(small.bounced).toEqual(['4: queue-full', '14: queue-full']);
    small.close();
  });

  it('asks for a pause while errors wait in great number, and says when to go on', async () => {
    const small = new TestOutbox({ limits: { messages: 3 } });
    expect(numbers(7).map((id) => small.put(id))).toEqual([true, true, true, true, true, false, false]);
    expect(small.bounced).toEqual(numbers(4, 4).map((id) => `${id}: queue-full`));
    expect(small.relief).toEqual([]);
    await small.kept();
    expect(small.relief).toEqual([routeName(homeward)]);
    small.close();
  });

  it('counts what a partner holds on all its domains', async () => {
    const small = new TestOutbox({ limits: { messages: 3 } });
    for (const id of numbers(2)) small.put(id);
    for (const id of numbers(2, 3)) small.put(id, '', elsewhere);
    expect(small.bounced).toEqual(['4: queue-full']);
    await small.kept();
    for (const stanza of small.handed) small.outbox.settle(stanza);
    expect(small.outbox.load.kept).toBe(0);
    small.close();
  });

  it('makes room in a store that is full with what is settled, however much arrives', async () => {
    const full = new TestOutbox({ bytes: 200_000 });
    for (const id of numbers(5)) {
      full.put(id, '', outward);
      await full.kept();
    }
    let works = 0;
    // The store takes what goes, and nothing that comes.
    full.writable = () => ++works % 2 === 1;
    for (const stanza of full.handed) full.outbox.settle(stanza);
    full.put('6');
    await full.turn();
    expect([full.bounced, full.rows]).toEqual([['6: store-failed'], 0]);
    full.writable = () => true;
    full.close();
  });

  it('takes a way into use again that it failed to forget', async () => {
    box.put('1');
    await box.kept();
    box.store.write(() => undefined);
    delivered('1');
    await box.kept();
    box.writable = () => false;
    for (let round = 0; round < 60; round++) box.outbox.lookOver();
    await box.kept();
    box.writable = () => true;
    box.put('3');
    await box.kept();
    expect([box.ids.at(-1), box.bounced]).toEqual(['3', []]);
    box.restart();
    expect(box.bounced).toEqual(['3: delivery-doubtful']);
  });

  it('takes back a great deal in parts, so that others have their turn', async () => {
    box.takes = down;
    for (const id of numbers(1_200)) box.put(id);
    await box.kept();
    box.outbox.refuse(outward, 'dns-not-found');
    expect(box.bounced).toHaveLength(500);
    box.put('late');
    while (box.bounced.length < 1_201) await box.turn();
    expect(box.bounced.at(-1)).toBe('late: dns-not-found');
    for (const id of numbers(1_200)) box.put(id);
    await box.kept();
    box.now += 60_000;
    box.bounced.length = 0;
    box.outbox.lookOver();
    expect(box.bounced).toHaveLength(500);
    while (box.bounced.length < 1_200) await box.turn();
    expect(box.bounced.at(-1)).toBe('1200: queue-expired');
  });

  it('reads at the start no more than it needs', async () => {
    box.takes = down;
    const body = 'x'.repeat(10_000);
    for (let batch = 0; batch < 4; batch++) {
      for (const id of numbers(50, batch * 50 + 1)) box.outbox.put(outward, messageOf(id, 'p.example', body));
      await box.kept();
    }
    box.restart();
    expect(box.reads).toBeLessThan(60);
    expect(box.outbox.load.kept).toBe(200);
    box.takes = () => 'more';
    box.room();
    for (let round = 0; round < 20; round++) await box.kept();
    expect(box.ids).toEqual(numbers(200));
    delivered(...numbers(200));
    expect(box.outbox.load.kept).toBe(0);
  });
});
