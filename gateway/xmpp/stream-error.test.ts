import { expect, test } from 'vitest';
import { scanElements } from './scanner.fixture.ts';
import { malformed, PeerStreamFault, restricted, StreamFault, streamErrorXml } from './stream-error.ts';

test('a stream error names its condition, then the text, then what the application adds (RFC 6120 §4.9.2)', () => {
  expect(streamErrorXml('reset')).toBe(
    "<stream:error><reset xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>",
  );
  expect(streamErrorXml('conflict', 'a < b & c', "<x xmlns='urn:x'/>")).toBe(
    "<stream:error><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>" +
      "<text xmlns='urn:ietf:params:xml:ns:xmpp-streams' xml:lang='en'>a &lt; b &amp; c</text><x xmlns='urn:x'/></stream:error>",
  );
});

test('and is read as such by our own scanner', () => {
  expect(scanElements(streamErrorXml('policy-violation', 'too big'))).toMatchObject([
    { namespace: 'http://etherx.jabber.org/streams', name: 'error', childName: 'policy-violation' },
  ]);
});

test.each([
  ['host-unknown', 'The peer ended the stream: host-unknown.'],
  ['', 'The peer ended the stream: no condition given.'],
])('the fault of a peer keeps its condition: %o', (condition, message) => {
  const fault = new PeerStreamFault(condition);
  expect(fault).toMatchObject({ condition, message, code: 'stream-error' });
  // Only what we end a stream with is written to it.
  expect(fault).not.toBeInstanceOf(StreamFault);
});

test('the faults of XML carry condition and reason', () => {
  expect(malformed()).toMatchObject({ condition: 'not-well-formed', code: 'xml-malformed', extra: '' });
  expect(restricted('A comment.')).toMatchObject({ condition: 'restricted-xml', code: 'xml-restricted' });
  expect(restricted('A comment.').message).toContain('A comment.');
  expect(malformed()).toBeInstanceOf(StreamFault);
});
