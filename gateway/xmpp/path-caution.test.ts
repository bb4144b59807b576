import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Stanza } from '../bridge/stanza.ts';
import { type Carrier, OutboundPath } from './path.ts';
import { message } from './testing/recording.fixture.ts';

/** A link that confirms each stanza it is told to, and breaks over none by itself. */
class FakeLink implements Carrier {
  open = true;
  readonly full = false;
  readonly under: Stanza[] = [];

  get unconfirmed(): number {
    return this.under.length;
  }

  send(stanza: Stanza): void {
    this.under.push(stanza);
  }
}

/** What is repeated though a break left it in doubt. */
const presence = (id: string): Stanza => ({ ...message('u@p.example', 'v@h.example', id), name: 'presence' });

describe('A path whose links break over one stanza', () => {
  let link: FakeLink;
  let path: OutboundPath;
  let bounced: string[];

  beforeEach(() => {
    vi.useFakeTimers();
    bounced = [];
    path = new OutboundPath(
      'h.example',
      'p.example',
      {
        carrier: async () => {
          link = new FakeLink();
          return link;
        },
        undeliverable: ({ id }) => bounced.push(id),
        room: () => {},
        returned: () => {},
        refused: () => {},
        unreachable: () => {},
        attached: () => {},
        random: () => 0,
      },
      { stanzas: 100, bytes: 100_000, waitMs: 600_000, persistent: true },
    );
  });
  afterEach(() => {
    path.close();
    vi.useRealTimers();
  });

  /** The home takes what is under way in order, up to the poison, over which the link breaks. False where there is none. */
  const breaks = async (taken: string[]): Promise<boolean> => {
    for (let next = link.under[0]; next !== undefined; next = link.under[0]) {
      if (next.id === 'poison') {
        link.open = false;
        path.lost(link, { doubtful: link.under.splice(0), unsent: [] });
        await vi.advanceTimersByTimeAsync(60_000);
        return true;
      }
      taken.push(next.id);
      link.under.shift();
      path.pump();
    }
    return false;
  };

  it('sends one by one until it is found, bounces it alone, and goes on as before', async () => {
    path.persist(true);
    await vi.advanceTimersByTimeAsync(0);
    const around = ['a', 'b', 'poison', 'c', 'd'];
    for (const id of around) path.send(presence(id));
    // Nothing is confirmed before the link breaks: whoever heads what is under way is suspected first.
    for (const time of [1, 2]) {
      expect(
        link.under.map(({ id }) => id),
        String(time),
      ).toEqual(around);
      link.open = false;
      path.lost(link, { doubtful: link.under.splice(0), unsent: [] });
      await vi.advanceTimersByTimeAsync(60_000);
    }
    expect(link.under.map(({ id }) => id)).toEqual(['a']);
    const taken: string[] = [];
    let times = 0;
    while (await breaks(taken)) times++;
    expect(times).toBe(2);
    expect(bounced).toEqual(['poison']);
    expect(taken).toEqual(['a', 'b', 'c', 'd']);
    path.send(presence('e'));
    path.send(presence('f'));
    expect(link.under.map(({ id }) => id)).toEqual(['e', 'f']);
  });
});
