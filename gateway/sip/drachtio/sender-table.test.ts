import { describe, expect, it } from 'vitest';
import { SipRequest } from '../message/message.ts';
import type { TrunkOptions } from '../trunk/trunk-options.ts';
import { SenderTable } from './sender-table.ts';
import { homeTrunk, partnerTrunk } from './testing/site.ts';

const trusting = () => ({ sufficient: true, reason: 'allowed' }) as const;
const wary = () => ({ sufficient: false, reason: 'trust-insufficient' }) as const;
const trunks = (...options: TrunkOptions[]) => options.map((one) => ({ options: one }));
const other: TrunkOptions = { ...partnerTrunk, id: 'q', domain: 'q.example', domains: [], addresses: ['192.0.2.7'] };

function from(uri: string): SipRequest {
  const request = new SipRequest('MESSAGE', 'sip:alice@h.example');
  request.headers.append('From', `<${uri}>;tag=1`);
  return request;
}

describe('on the word of the administrator', () => {
  const table = new SenderTable('administrator', trusting, trunks(partnerTrunk, other, homeTrunk));

  it.each([
    ['its main domain', '192.0.2.1', 'tls', 'sip:bob@p.example', 'p'],
    ['a domain of its pattern', '192.0.2.1', 'tls', 'sip:bob@a.b.p.example', 'p'],
    ['one of two partners behind an address', '192.0.2.7', 'tls', 'sip:bob@q.example', 'q'],
    ['the PBX', '127.0.0.1', 'tcp', 'sip:100@h.example', 'pbx'],
    ['the PBX by its address', '127.0.0.1', 'tcp', 'sip:100@127.0.0.1', 'pbx'],
  ])('%s is placed', (_case, address, protocol, sender, id) => {
    expect(table.place({ address, protocol }, from(sender))).toMatchObject({ ok: true, trunk: { options: { id } } });
  });

  it.each([
    ['another sender', '192.0.2.1', 'tls', 'sip:bob@evil.example', 'sender-not-proven', 'p'],
    ['no sender', '192.0.2.1', 'tls', 'tel:+1555', 'sender-not-proven', 'p'],
    ['another partner', '192.0.2.1', 'tls', 'sip:bob@q.example', 'sender-not-proven', 'p'],
    ['another address', '198.51.100.1', 'tls', 'sip:bob@p.example', 'trunk-address-denied', 'p'],
    ['a stranger', '198.51.100.1', 'tls', 'sip:bob@x.example', 'trunk-unknown', undefined],
    ['a partner without TLS', '192.0.2.1', 'tcp', 'sip:bob@p.example', 'trunk-unknown', 'p'],
    ['a datagram', '192.0.2.1', 'udp', 'sip:bob@p.example', 'trunk-unknown', 'p'],
    ['a datagram of the PBX', '127.0.0.1', 'udp', 'sip:100@h.example', 'trunk-unknown', 'pbx'],
    ['a partner as the PBX', '192.0.2.1', 'tls', 'sip:ceo@h.example', 'sender-not-proven', 'p'],
    ['the PBX as a partner', '127.0.0.1', 'tcp', 'sip:bob@p.example', 'sender-not-proven', 'pbx'],
  ])('%s is refused', (_case, address, protocol, sender, reason, nearest) => {
    expect(table.place({ address, protocol }, from(sender))).toMatchObject({
      ok: false,
      refusal: { status: 403, reason, nearest },
    });
  });

  it('a policy that wants more proof is heard', () => {
    const strict = new SenderTable('administrator', wary, trunks(partnerTrunk));
    expect(strict.place({ address: '192.0.2.1', protocol: 'tls' }, from('sip:bob@p.example'))).toMatchObject({
      ok: false,
      refusal: { reason: 'trust-insufficient' },
    });
  });

  it('a PBX that may say anything does not lend its word to a partner at its address', () => {
    const shared = { ...homeTrunk, domains: [], addresses: ['192.0.2.7'] };
    const both = new SenderTable('administrator', trusting, trunks(shared, partnerTrunk));
    expect(both.place({ address: '192.0.2.7', protocol: 'tls' }, from('sip:x@any.example')).ok).toBe(false);
  });
});

describe('behind an edge', () => {
  const table = new SenderTable('edge', trusting, trunks(partnerTrunk, other));

  it.each([
    ['p.example', 'p'],
    ['q.example', 'q'],
  ])('%s is told by its domain', (domain, id) => {
    expect(table.place({ address: '127.0.0.1', protocol: 'tcp' }, from(`sip:bob@${domain}`))).toMatchObject({
      trunk: { options: { id } },
    });
  });

  it.each([
    ['192.0.2.7', 'tls', 'sip:bob@p.example'],
    ['127.0.0.1', 'udp', 'sip:bob@p.example'],
    ['127.0.0.1', 'tcp', 'sip:bob@x.example'],
  ])('%s over %s as %s is refused', (address, protocol, sender) => {
    expect(table.place({ address, protocol }, from(sender)).ok).toBe(false);
  });
});
