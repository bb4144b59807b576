import { describe, expect, it } from 'vitest';
import { Arrivals } from './arrivals.ts';
import { clockUs } from './clock.ts';
import { Stanzas } from './stanzas.ts';

function arrivals(): { arrivals: Arrivals; said: string[] } {
  const said: string[] = [];
  const answers = {
    acknowledge: (xml: string) => void said.push(xml),
    reply: (xml: string) => void said.push(xml),
    acknowledged: () => void said.push('acknowledged'),
  };
  return { arrivals: new Arrivals(answers), said };
}

const ping = (id: string): string => `<iq type='get' id='${id}' from='a' to='b'><ping xmlns='urn:xmpp:ping'/></iq>`;
const message = "<message from='a' to='b'><body>x</body></message>";

describe('What arrives', () => {
  it.each([1, 7, 100, 100_000])('is counted and answered once, in pieces of %d bytes', async (size) => {
    const { arrivals: all, said } = arrivals();
    all.begin(false);
    const reached = all.reach(4);
    const text = Buffer.from(
      `${message}${message}${ping('one')}${message}<r xmlns='urn:xmpp:sm:3'/>${ping('two')}<a xmlns='urn:xmpp:sm:3' h='3'/>${message}`,
    );
    for (let at = 0; at < text.length; at += size) all.push(text.subarray(at, at + size));
    expect(await reached).toBeLessThanOrEqual(clockUs());
    expect(all.received).toBe(4);
    expect(said.filter((xml) => xml.startsWith('<iq')).join('')).toBe(
      "<iq type='result' id='one' from='b' to='a'/><iq type='result' id='two' from='b' to='a'/>",
    );
    expect(said.filter((xml) => !xml.startsWith('<iq')).sort()).toEqual([
      expect.stringMatching(/^<a xmlns='urn:xmpp:sm:3' h='[3-6]'\/>$/),
      'acknowledged',
    ]);
  });

  it('tells how long it was under way, where it bears the time of its sending', () => {
    const { arrivals: all } = arrivals();
    all.begin(true);
    const stanzas = new Stanzas({ from: 'a.example', to: 'b.example' });
    all.push(Buffer.concat([stanzas.one(clockUs() - 5_000), stanzas.one(clockUs() - 1_000_000)]));
    expect(all.latencies).toHaveLength(2);
    expect(all.latencies[0]).toBeGreaterThanOrEqual(5_000);
    expect(all.latencies[1]).toBeGreaterThanOrEqual(1_000_000);
  });

  it('is counted from 0 again at a new beginning', () => {
    const { arrivals: all } = arrivals();
    all.push(Buffer.from(message));
    all.begin(false);
    expect(all.received).toBe(0);
    all.push(Buffer.from(message + message));
    expect(all.received).toBe(2);
  });

  it('leaves answers of the other side unanswered', () => {
    const { arrivals: all, said } = arrivals();
    all.push(Buffer.from("<iq type='result' id='x' from='a' to='b'/><iq type='error' id='y' from='a' to='b'></iq>"));
    expect(said).toEqual([]);
  });
});
