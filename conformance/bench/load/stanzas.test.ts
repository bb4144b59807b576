import { parse } from 'ltx';
import { describe, expect, it } from 'vitest';
import { numbersIn, Stanzas, stanzasPerChunk } from './stanzas.ts';

const pair = { from: 'montague.example', to: 'capulet.example' };

describe('The stanzas of the load', () => {
  it('of one write are messages with some 250 bytes of body, each with an id of its own that counts on', () => {
    const stanzas = new Stanzas(pair);
    const text = stanzas.chunk().toString() + stanzas.chunk().toString();
    expect(numbersIn(text)).toEqual(Array.from({ length: 2 * stanzasPerChunk }, (_, n) => n));
    const messages = parse(`<all>${text}</all>`).getChildElements();
    expect(messages).toHaveLength(2 * stanzasPerChunk);
    for (const message of messages) {
      expect(message.attrs.from).toMatch(/@montague\.example\/pc$/);
      expect(message.attrs.to).toMatch(/@capulet\.example$/);
      expect(message.getChildText('body')?.length).toBeGreaterThanOrEqual(245);
      expect(message.getChildText('body')?.length).toBeLessThanOrEqual(255);
    }
    expect(text.length / messages.length).toBeGreaterThan(350);
    expect(text.length / messages.length).toBeLessThan(400);
  });

  it('that go alone bear the number they are given', () => {
    const stanzas = new Stanzas(pair);
    const numbers = Array.from({ length: stanzasPerChunk + 1 }, (_, n) => 1_795_303_875_281 + n);
    for (const number of numbers) {
      const stanza = stanzas.one(number).toString();
      expect(parse(stanza).name).toBe('message');
      expect(numbersIn(stanza)).toEqual([number]);
    }
  });

  it('are known again however their attributes are written', () => {
    expect(numbersIn(`<message id="m0000000000000042" to='a'/><message to='b' id='m0000000000000007'>`)).toEqual([
      42, 7,
    ]);
  });
});
