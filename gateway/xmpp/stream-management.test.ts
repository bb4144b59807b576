import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type TestEdge, TestNet } from './testing/edge.fixture.ts';
import { RawPartner, readIds } from './testing/raw-partner.fixture.ts';
import { message, numbers } from './testing/recording.fixture.ts';
import { CLOSE_MS } from './xml-stream.ts';

const home = 'h.example';
const partner = 'p.example';

describe('An outgoing stream under stream management', () => {
  let net: TestNet;
  let raw: RawPartner;
  let side: TestEdge;
  const send = (...ids: string[]): void => {
    for (const id of ids) side.edge.send(home, partner, message(`u@${home}`, `v@${partner}`, id));
  };
  const confirm = (h: number): string => `<a xmlns='urn:xmpp:sm:3' h='${h}'/>`;

  beforeEach(async () => {
    net = await TestNet.start();
    raw = await RawPartner.start(net, partner);
    side = await net.edge({ domains: [home], accepts: ['dialback'], options: { tlsRequired: false } });
  });
  afterEach(async () => {
    vi.useRealTimers();
    await raw.close();
    await net.close();
  });

  it('asks for confirmation and sends nothing again that was confirmed', async () => {
    send(...numbers(5));
    const first = await raw.stream({ sm: true });
    expect(await readIds(first, 5)).toEqual(numbers(5));
    await first.read(/<r xmlns='urn:xmpp:sm:3'\/>/);
    first.write(confirm(5));
    // The answer to this one proves that the confirmation before it was read.
    first.write("<r xmlns='urn:xmpp:sm:3'/>");
    expect(await first.read(/<a [^>]*\/>/)).toContain("h='0'");
    first.cut();
    await side.journal.seen({ event: 'stream-closed' });
    send('6');
    expect(await readIds(await raw.stream({ sm: true }), 1)).toEqual(['6']);
    expect(side.host.bounced).toEqual([]);
  });

  it('tells the senders of what a broken stream left unconfirmed, and goes on behind it', async () => {
    send(...numbers(10));
    const first = await raw.stream({ sm: true });
    await readIds(first, 10);
    first.write(`${confirm(4)}<r xmlns='urn:xmpp:sm:3'/>`);
    await first.read(/<a [^>]*\/>/);
    first.cut();
    await side.journal.seen({ event: 'stream-closed' });
    send(...numbers(3, 11));
    const second = await raw.stream({ sm: true });
    expect(await readIds(second, 3)).toEqual(numbers(3, 11));
    second.write(confirm(3));
    send('14');
    expect(await readIds(second, 1)).toEqual(['14']);
    expect(await side.host.bounces(6)).toEqual(numbers(6, 5).map((id) => `${id}: delivery-doubtful`));
    expect(side.journal.of({ event: 'stream-proven' })).toHaveLength(2);
  });

  it('holds what comes while a stream is closing behind what that stream left', async () => {
    send('1', '2');
    const first = await raw.stream({ sm: true });
    await readIds(first, 2);
    first.write('</stream:stream>');
    await first.read(/<\/stream:stream>/);
    send('3');
    expect(raw.server.accepted).toBe(1);
    first.socket.destroy();
    expect(await readIds(await raw.stream({ sm: true }), 1)).toEqual(['3']);
    expect(side.host.bounced.map(({ stanza: { id } }) => id)).toEqual(['1', '2']);
  });

  it.each([
    ['more than was sent', confirm(3)],
    ['more than can be', confirm(2 ** 32)],
    ['no number', "<a xmlns='urn:xmpp:sm:3' h='many'/>"],
    ['nothing', "<a xmlns='urn:xmpp:sm:3'/>"],
  ])('ends when the peer confirms %s', async (_, answer) => {
    send('1', '2');
    const stream = await raw.stream({ sm: true });
    await readIds(stream, 2);
    stream.write(answer);
    expect(await stream.read(/<stream:error>.*<\/stream:error>/)).toContain('undefined-condition');
    stream.socket.destroy();
    expect(await side.host.bounces(2)).toEqual(['1: delivery-doubtful', '2: delivery-doubtful']);
  });

  it('counts what it received from the moment it was enabled', async () => {
    send('1');
    const stream = await raw.opened({ sm: true, bidi: true });
    await stream.read(/<bidi /);
    await raw.believe(stream);
    await stream.read(/<enable [^>]*\/>/);
    const presence = `<presence from='v@${partner}' to='u@${home}'/>`;
    stream.write(`${presence}<enabled xmlns='urn:xmpp:sm:3'/>${presence}${presence}<r xmlns='urn:xmpp:sm:3'/>`);
    expect(await stream.read(/<a [^>]*\/>/)).toContain("h='2'");
    expect(side.host.received).toHaveLength(3);
  });

  it('carries on without when the peer refuses', async () => {
    send('1');
    const stream = await raw.opened({ sm: true });
    await raw.believe(stream);
    await stream.read(/<enable [^>]*\/>/);
    stream.write("<failed xmlns='urn:xmpp:sm:3'/>");
    expect(await readIds(stream, 1)).toEqual(['1']);
    send('2');
    expect(await readIds(stream, 1)).toEqual(['2']);
    const closing = side.edge.close();
    await stream.read(/<\/stream:stream>/);
    stream.socket.end();
    await closing;
    expect(side.host.bounced).toEqual([]);
  });

  it('takes the closing tag that answers its own for the confirmation of everything', async () => {
    send('1', '2');
    const stream = await raw.stream({ sm: true });
    await readIds(stream, 2);
    const closing = side.edge.close();
    await stream.read(/<\/stream:stream>/);
    stream.write('</stream:stream>');
    await closing;
    expect(side.host.bounced).toEqual([]);
  });

  it('tells the senders, when the edge closes and the peer confirms nothing', async () => {
    send('1', '2');
    const stream = await raw.stream({ sm: true });
    await readIds(stream, 2);
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const closing = side.edge.close();
    await vi.advanceTimersByTimeAsync(CLOSE_MS);
    await closing;
    expect(await side.host.bounces(2)).toEqual(['1: delivery-doubtful', '2: delivery-doubtful']);
  });

  it('does not take the closing tag for more than was confirmed, where the peer tells its count behind ours', async () => {
    send('1', '2', '3');
    const stream = await raw.stream({ sm: true });
    await readIds(stream, 3);
    const closing = side.edge.close();
    // Its last count comes before the closing tag.
    expect(await stream.read(/<\/stream:stream>/)).toMatch(/<a xmlns='urn:xmpp:sm:3' h='0'\/><\/stream:stream>$/);
    stream.write(`${confirm(1)}</stream:stream>`);
    await closing;
    expect(await side.host.bounces(2)).toEqual(['2: delivery-doubtful', '3: delivery-doubtful']);
  });

  it('sends back what is larger than the peer takes, and not to the peer', async () => {
    send('1');
    const stream = await raw.stream({ maxBytes: 200 });
    const big = message(`u@${home}`, `v@${partner}`, 'big'.repeat(100));
    side.edge.send(home, partner, big);
    send('2');
    expect(await readIds(stream, 2)).toEqual(['1', '2']);
    expect(side.host.bounced).toEqual([{ stanza: big, reason: 'stanza-too-big' }]);
  });
});
