import { encode, type Answer as WireRecord } from 'dns-packet';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Fault } from '../../policies/fault.ts';
import { MAX_ALIASES, readAnswer } from './answer.ts';
import { type Question, readReply } from './message.ts';

const ID = 4711;
const question: Question = { name: 'x.example', type: 'SRV' };
const query = { question, id: ID, dnssec: false, edns: true };
const srv: WireRecord = {
  name: 'X.example',
  type: 'SRV',
  ttl: 300,
  data: { priority: 1, weight: 2, port: 5269, target: 'XMPP.Example' },
};
const cname = (name: string, data: string, ttl = 60): WireRecord => ({ name, type: 'CNAME', ttl, data });
const soa = (ttl: number, minimum: number): WireRecord => ({
  name: 'example',
  type: 'SOA',
  ttl,
  data: { mname: 'ns.example', rname: 'admin.example', serial: 1, refresh: 1, retry: 1, expire: 1, minimum },
});

function message(answers: WireRecord[], authorities: WireRecord[] = [], flags = 0): Buffer {
  return encode({ type: 'response', id: ID, flags, questions: [question], answers, authorities });
}

function read(answers: WireRecord[], authorities: WireRecord[] = [], flags = 0, aliasesLeft = MAX_ALIASES) {
  const reply = readReply(message(answers, authorities, flags), query);
  if (reply === undefined) throw new Error('not for this query');
  return readAnswer(reply, question, aliasesLeft);
}

describe('reading an answer', () => {
  it('takes the records of the name asked for, folded, with their lowest TTL', () => {
    const other: WireRecord = { ...srv, ttl: 200 };
    const stranger: WireRecord = { ...srv, name: 'y.example' };
    const finding = read([srv, stranger, other]);
    expect(finding.records).toEqual(Array(2).fill({ priority: 1, weight: 2, port: 5269, target: 'xmpp.example' }));
    expect(finding).toMatchObject({ exists: true, ttl: 200, aliases: 0, next: undefined });
  });

  it('follows aliases in any order, whose TTL counts too', () => {
    const finding = read([
      { ...srv, name: 'z.example' },
      cname('Y.example', 'z.EXAMPLE', 30),
      cname('x.example', 'y.example'),
    ]);
    expect(finding.records).toHaveLength(1);
    expect(finding).toMatchObject({ ttl: 30, aliases: 2 });
  });

  it('says where to go on when the chain leaves the answer', () => {
    expect(read([cname('x.example', 'away.test')])).toMatchObject({ records: [], aliases: 1, next: 'away.test' });
  });

  it('refuses a chain that is too long or turns in circles', () => {
    const loop = [cname('x.example', 'y.example'), cname('y.example', 'x.example')];
    expect(() => read(loop)).toThrow(expect.objectContaining({ code: 'dns-failed' }));
    expect(() => read([cname('x.example', 'y.example')], [], 0, 0)).toThrow(Fault);
  });

  it.each([
    ['the SOA minimum', 900, 60, 60],
    ['the SOA TTL', 20, 60, 20],
  ])('takes the TTL of a negative answer from %s, RFC 2308 §5', (_, ttl, minimum, expected) => {
    expect(read([], [soa(ttl, minimum)])).toMatchObject({ exists: true, ttl: expected, next: undefined });
    expect(read([], [soa(ttl, minimum)], 3)).toMatchObject({ exists: false, ttl: expected });
  });

  it('gives a negative answer without SOA no TTL', () => {
    expect(read([])).toMatchObject({ exists: true, ttl: 0 });
  });

  it('takes a TTL beyond 31 bits for 0, RFC 2181 §8', () => {
    expect(read([{ ...srv, ttl: 0x8000_0000 }]).ttl).toBe(0);
  });

  it.each([1, 2, 4, 5])('is a fault for error code %i', (rcode) => {
    expect(() => read([], [], rcode)).toThrow(expect.objectContaining({ code: 'dns-failed' }));
  });

  it('does not take a referral for an answer', () => {
    const ns: WireRecord = { name: 'example', type: 'NS', ttl: 60, data: 'ns.example' };
    expect(() => read([], [ns])).toThrow(expect.objectContaining({ code: 'dns-failed' }));
  });

  it.each(['two words.example', `${'x'.repeat(63)}.\u00e9\u0000.example`])('refuses the target %j', (target) => {
    const bad = { ...srv, data: { port: 1, target } } as WireRecord;
    expect(() => read([bad])).toThrow(expect.objectContaining({ code: 'dns-malformed' }));
  });
});

describe('reading a message', () => {
  it('ignores what does not answer the query', () => {
    const good = message([srv]);
    expect(readReply(good, query)).toBeDefined();
    expect(readReply(good, { ...query, id: ID + 1 })).toBeUndefined();
    expect(readReply(good, { ...query, question: { ...question, name: 'y.example' } })).toBeUndefined();
    expect(readReply(good, { ...query, question: { ...question, type: 'A' } })).toBeUndefined();
    expect(readReply(encode({ type: 'query', id: ID, questions: [question] }), query)).toBeUndefined();
    expect(readReply(good.subarray(0, 11), query)).toBeUndefined();
  });

  it('does not decode a message that claims a flood of records', () => {
    const flood = message([srv]);
    flood.writeUInt16BE(60_000, 8);
    expect(() => readReply(flood, query)).toThrow(expect.objectContaining({ code: 'dns-malformed' }));
  });

  it('throws nothing but a Fault, whatever bytes of a good answer are changed', () => {
    const naptr = {
      order: 1,
      preference: 1,
      flags: 'u',
      services: 'E2U+sip',
      regexp: '!^.*$!sip:a@b!',
      replacement: '.',
    };
    const samples: [Question['type'], WireRecord][] = [
      ['SRV', srv],
      ['A', { name: 'x.example', type: 'A', ttl: 1, data: '192.0.2.1' }],
      ['AAAA', { name: 'x.example', type: 'AAAA', ttl: 1, data: '2001:db8::1' }],
      ['TXT', { name: 'x.example', type: 'TXT', ttl: 1, data: ['one', 'two'] }],
      ['NAPTR', { name: 'x.example', type: 'NAPTR', ttl: 1, data: naptr }],
      [
        'TLSA',
        {
          name: 'x.example',
          type: 'TLSA',
          ttl: 1,
          data: { usage: 3, selector: 1, matchingType: 1, certificate: Buffer.alloc(32) },
        },
      ],
    ];
    const change = fc.record({ at: fc.nat(), byte: fc.nat(255) });
    fc.assert(
      fc.property(
        fc.constantFrom(...samples),
        fc.array(change, { maxLength: 6 }),
        fc.nat(200),
        ([type, record], changes, cut) => {
          const asked: Question = { name: 'x.example', type };
          const content = {
            questions: [asked],
            answers: [cname('x.example', 'y.example'), record],
            authorities: [soa(1, 1)],
          };
          const bytes = encode({ type: 'response', id: ID, ...content });
          // Past id and question, so that most cases are not simply ignored.
          for (const { at, byte } of changes) bytes[2 + (at % (bytes.length - 2))] = byte;
          const cutBytes = bytes.subarray(0, bytes.length - (cut > 150 ? cut - 150 : 0));
          try {
            const reply = readReply(cutBytes, { ...query, question: asked });
            if (reply) expect(readAnswer(reply, asked, MAX_ALIASES).aliases).toBeLessThanOrEqual(MAX_ALIASES);
          } catch (error) {
            expect(error).toBeInstanceOf(Fault);
          }
        },
      ),
      { numRuns: 3000 },
    );
  });
});
