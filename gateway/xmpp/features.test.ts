import { describe, expect, it } from 'vitest';
import { exceeds, featuresXml, noFeatures, offer, readBidiMaxBytes, readFeatures } from './features.ts';

const read = (...children: string[]) =>
  readFeatures(
    Buffer.from(
      `<stream:features xmlns:stream='http://etherx.jabber.org/streams'>${children.join('')}</stream:features>`,
    ),
  );
const mechanisms = (...names: string[]): string =>
  `<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>${names.map((name) => `<mechanism>${name}</mechanism>`).join('')}</mechanisms>`;

describe('Stream features', () => {
  it.each([
    ['nothing', [], {}],
    ['STARTTLS', ["<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"], { starttls: true }],
    ['STARTTLS of another namespace', ["<starttls xmlns='urn:example'/>"], {}],
    ['EXTERNAL among others', [mechanisms('SCRAM-SHA-256', 'EXTERNAL')], { external: true }],
    ['EXTERNAL with white space around', [mechanisms('\n EXTERNAL ')], { external: true }],
    ['a mechanism that only starts so', [mechanisms('EXTERNAL-PLUS')], {}],
    ['dialback', ["<dialback xmlns='urn:xmpp:features:dialback'/>"], { dialback: true }],
    [
      'dialback with errors',
      ["<dialback xmlns='urn:xmpp:features:dialback'><errors/></dialback>"],
      { dialback: true, dialbackErrors: true },
    ],
    ['the dialback protocol for the feature', ["<dialback xmlns='jabber:server:dialback'/>"], {}],
    ['bidi', ["<bidi xmlns='urn:xmpp:features:bidi'/>"], { bidi: true }],
    ['the bidi protocol for the feature', ["<bidi xmlns='urn:xmpp:bidi'/>"], {}],
    ['stream management 3', ["<sm xmlns='urn:xmpp:sm:3'/>"], { sm: true }],
    ['stream management 2', ["<sm xmlns='urn:xmpp:sm:2'/>"], {}],
    [
      'limits',
      ["<limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>10000</max-bytes></limits>"],
      { maxBytes: 10_000 },
    ],
    ['limits in words', ["<limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>many</max-bytes></limits>"], {}],
    ['limits below zero', ["<limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>-1</max-bytes></limits>"], {}],
    ['limits without bytes', ["<limits xmlns='urn:xmpp:stream-limits:0'><idle-seconds>3</idle-seconds></limits>"], {}],
  ])('reads %s', (_, children, found) => {
    expect(read(...children)).toEqual({ ...noFeatures, ...found });
  });

  it('reads back what it offers', () => {
    const all = featuresXml([
      offer.starttls(true),
      offer.external,
      offer.dialback,
      offer.bidi,
      offer.limits(262_144, 90_500),
    ]);
    expect(readFeatures(Buffer.from(all))).toEqual({
      ...noFeatures,
      starttls: true,
      external: true,
      dialback: true,
      dialbackErrors: true,
      bidi: true,
      maxBytes: 262_144,
    });
    expect(all).toContain('<idle-seconds>90</idle-seconds>');
    expect(offer.starttls(true)).toContain('<required/>');
    expect(offer.starttls(false)).not.toContain('<required/>');
  });

  it('reads the limits of the initiator inside its bidi element (XEP-0478 §3)', () => {
    const limits = offer.limits(5000, 1000);
    expect(readBidiMaxBytes(Buffer.from(`<bidi xmlns='urn:xmpp:bidi'>${limits}</bidi>`))).toBe(5000);
    expect(readBidiMaxBytes(Buffer.from("<bidi xmlns='urn:xmpp:bidi'/>"))).toBe(0);
  });

  it.each([
    [100, 0, false],
    [100, 100, false],
    [101, 100, true],
  ])('a stanza of %d bytes exceeds %d: %s', (bytes, limit, over) => {
    expect(exceeds({ bytes: Buffer.alloc(bytes) }, limit)).toBe(over);
  });
});
