import { describe, expect, it } from 'vitest';
import { Fault } from '../policies/fault.ts';
import type { Answer, NaptrRecord, SrvRecord } from './dns/resolver.ts';
import { ProtocolChoice } from './protocol-choice.ts';

const srv = (target = 'server.p.example', port = 5061): SrvRecord => ({ priority: 0, weight: 0, port, target });
const naptr = (services: string): NaptrRecord => ({
  order: 1,
  preference: 1,
  flags: 's',
  services,
  regexp: '',
  replacement: '_sips._tcp.elsewhere.example',
});

/** DNS with these records, each name asked for counted. */
class Zone {
  readonly asked: string[] = [];
  readonly #records: Readonly<Record<string, readonly unknown[] | Fault>>;
  ttl = 300;
  now = 0;

  constructor(records: Readonly<Record<string, readonly unknown[] | Fault>>) {
    this.#records = records;
  }

  readonly choice = new ProtocolChoice({
    now: () => this.now,
    resolver: {
      srv: (name) => this.#answer<SrvRecord>(name),
      naptr: (name) => this.#answer<NaptrRecord>(name),
    },
  });

  async #answer<R>(name: string): Promise<Answer<R>> {
    this.asked.push(name);
    const records = this.#records[name] ?? [];
    if (records instanceof Fault) throw records;
    return { records: records as readonly R[], security: 'insecure', ttl: this.ttl, exists: true };
  }
}

const XMPP = '_xmpp-server._tcp.p.example';
const DIRECT = '_xmpps-server._tcp.p.example';
const SIPS = '_sips._tcp.p.example';

describe('the protocol of a domain', () => {
  it.each([
    ['XMPP by its records', { [XMPP]: [srv()] }, 'xmpp'],
    ['XMPP by those of direct TLS', { [DIRECT]: [srv()], [SIPS]: [srv()] }, 'xmpp'],
    ['XMPP first where it has both', { [XMPP]: [srv()], [SIPS]: [srv()] }, 'xmpp'],
    ['SIP by its records', { [SIPS]: [srv()] }, 'sip'],
    ['SIP by NAPTR', { 'p.example': [naptr('SIPS+D2T')] }, 'sip'],
    ['SIP where XMPP is declared not to be', { [XMPP]: [srv('.', 0)], [SIPS]: [srv()] }, 'sip'],
    ['SIP where XMPP cannot be asked about', { [XMPP]: new Fault('dns-timeout'), [SIPS]: [srv()] }, 'sip'],
    ['what is given where SIP is without TLS alone', { 'p.example': [naptr('SIP+D2U')] }, 'xmpp'],
    ['what is given where DNS has nothing', {}, 'xmpp'],
    ['what is given where DNS says nothing', { [XMPP]: new Fault('dns-timeout') }, 'xmpp'],
  ])('is %s', async (_what, records, protocol) => {
    expect(await new Zone(records).choice.find('p.example', 'xmpp')).toBe(protocol);
  });

  it('may be given as SIP', async () => {
    expect(await new Zone({}).choice.find('p.example', 'sip')).toBe('sip');
  });

  it('is asked for once at a time', async () => {
    const zone = new Zone({ [SIPS]: [srv()] });
    expect(zone.choice.known('p.example')).toBeUndefined();
    await Promise.all([zone.choice.find('p.example', 'xmpp'), zone.choice.find('p.example', 'xmpp')]);
    expect(zone.asked.length).toBe(4);
    expect(zone.choice.known('p.example')).toBe('sip');
  });

  it.each([
    ['as long as its records say', 300, 300],
    ['ten minutes at most', 86_400, 600],
    ['half a minute at least', 0, 30],
  ])('is remembered %s', async (_what, ttl, seconds) => {
    const zone = new Zone({ [SIPS]: [srv()] });
    zone.ttl = ttl;
    await zone.choice.find('p.example', 'xmpp');
    zone.now = seconds * 1_000 - 1;
    expect(zone.choice.known('p.example')).toBe('sip');
    zone.now += 1;
    expect(zone.choice.known('p.example')).toBeUndefined();
  });

  it('is asked for again soon where DNS named neither, and anew with other policies', async () => {
    const zone = new Zone({});
    await zone.choice.find('p.example', 'sip');
    zone.now = 29_999;
    expect(zone.choice.known('p.example')).toBe('sip');
    zone.choice.clear();
    expect(zone.choice.known('p.example')).toBeUndefined();
  });
});
