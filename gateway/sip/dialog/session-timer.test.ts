import { describe, expect, it } from 'vitest';
import { Headers } from '../message/headers.ts';
import { sessionExpires, termsOfRequest, termsOfResponse, tooShort } from './session-timer.ts';
import { Pair } from './testing/agents.ts';

const headers = (...fields: [string, string][]): Headers => new Headers(fields);

describe('the terms of a session', () => {
  it.each([
    ['1800', { interval: 1800, refresher: undefined }],
    ['1800;refresher=uas', { interval: 1800, refresher: 'uas' }],
    ['90 ; x=y ; Refresher = UAC', { interval: 90, refresher: 'uac' }],
    ['90;refresher=both', { interval: 90, refresher: undefined }],
    ['', undefined],
    ['1e3', undefined],
    ['-5', undefined],
  ])('are read from %j', (text, read) => {
    expect(sessionExpires(headers(['Session-Expires', text]))).toEqual(read);
  });

  const timer: [string, string] = ['Supported', '100rel, timer'];
  it.each<[string, [string, string][], ReturnType<typeof termsOfRequest>]>([
    ['no timer', [], undefined],
    ['support alone: we ask', [timer], { interval: 1800, refresher: 'peer' }],
    ['no refresher named', [timer, ['Session-Expires', '600']], { interval: 600, refresher: 'peer' }],
    ['the caller', [timer, ['Session-Expires', '600;refresher=uac']], { interval: 600, refresher: 'peer' }],
    ['us', [timer, ['Session-Expires', '600;refresher=uas']], { interval: 600, refresher: 'us' }],
    ['a proxy asked, the caller cannot', [['Session-Expires', '600']], { interval: 600, refresher: 'us' }],
    [
      'never below Min-SE',
      [timer, ['Session-Expires', '600'], ['Min-SE', '900']],
      { interval: 900, refresher: 'peer' },
    ],
  ])('of a request: %s', (_what, fields, terms) => {
    expect(termsOfRequest(headers(...fields), 1800)).toEqual(terms);
  });

  it.each<[[string, string][], ReturnType<typeof termsOfResponse>]>([
    [[], undefined],
    [[['Session-Expires', '600;refresher=uas']], { interval: 600, refresher: 'peer' }],
    [[['Session-Expires', '600;refresher=uac']], { interval: 600, refresher: 'us' }],
    [[['Session-Expires', '600']], { interval: 600, refresher: 'us' }],
    [[['Session-Expires', '1;refresher=uac']], { interval: 90, refresher: 'us' }],
  ])('of a response with %j', (fields, terms) => {
    expect(termsOfResponse(headers(...fields))).toEqual(terms);
  });

  it('are refused below 90 s, where the peer would understand that', () => {
    expect(tooShort(headers(timer, ['Session-Expires', '89']))).toBe(true);
    expect(tooShort(headers(timer, ['Session-Expires', '90']))).toBe(false);
    expect(tooShort(headers(['Session-Expires', '89']))).toBe(false);
  });
});

describe('a session', () => {
  const limits = { sessionSeconds: 300 };

  it('is refreshed half-way by UPDATE, by the caller', async () => {
    const pair = new Pair(limits);
    const { a } = await pair.talk();
    expect(pair.wire.last('b', '200 INVITE').headers.get('Session-Expires')).toBe('300;refresher=uac');
    expect(pair.wire.last('b', '200 INVITE').headers.get('Require')).toBe('timer');
    pair.wire.take();
    await pair.run(600_000);
    expect(pair.wire.take()).toEqual(Array(4).fill(['a UPDATE', 'b 200 UPDATE']).flat());
    void a.end();
    await pair.nothingLeft();
  });

  it('is refreshed by re-INVITE where the peer takes no UPDATE, with the description as it was', async () => {
    const pair = new Pair(limits);
    pair.wire.edit = ({ headers }) => void (headers.has('Allow') && headers.set('Allow', 'INVITE, ACK, BYE'));
    const { a, b } = await pair.talk();
    const offers: (string | undefined)[] = [];
    b.onModify = async (offered) => {
      offers.push(offered);
      return { sdp: offered ?? '' };
    };
    pair.wire.take();
    await pair.run(160_000);
    expect(pair.wire.take()).toEqual(['a INVITE', 'b 200 INVITE', 'a ACK']);
    expect(offers).toEqual([pair.b.call.offer]);
    void a.end();
    await pair.nothingLeft();
  });

  it('is refreshed by who is called where the caller says so', async () => {
    const pair = new Pair(limits);
    pair.wire.edit = (message) => {
      if (message.kind === 'request' && message.method === 'INVITE')
        message.headers.set('Session-Expires', '300;refresher=uas');
    };
    const { b } = await pair.talk();
    expect(pair.wire.last('b', '200 INVITE').headers.get('Session-Expires')).toBe('300;refresher=uas');
    pair.wire.take();
    await pair.run(310_000);
    expect(pair.wire.take()).toEqual(Array(2).fill(['b UPDATE', 'a 200 UPDATE']).flat());
    void b.end();
    await pair.nothingLeft();
  });

  it('ends with BYE shortly before it expires, on both sides, where no refresh gets through', async () => {
    const pair = new Pair(limits);
    const { a, b } = await pair.talk();
    const start = pair.clock.now();
    pair.wire.fate = ({ what }) => (what === 'UPDATE' ? 'drop' : 1);
    await pair.run(183_000);
    // No answer at all to a refresh of ours ends it at once (RFC 4028 §10).
    expect(await a.ended).toMatchObject({ by: 'timeout' });
    expect(await b.ended).toMatchObject({ by: 'peer' });
    expect(pair.wire.record.find(({ what }) => what === 'BYE')?.at).toBeLessThan(start + 183_000);
    await pair.nothingLeft();
  });

  it('ends at expiry − min(32 s, a third) where the peer that should refresh it does not', async () => {
    const pair = new Pair(limits);
    const { a, b } = await pair.talk();
    const start = pair.clock.now();
    pair.wire.fate = ({ from }) => (from === 'a' ? 'drop' : 1);
    await pair.run(300_000);
    expect(await b.ended).toEqual({ by: 'timeout', reason: 'SIP;cause=408;text="Session expired"' });
    const bye = pair.wire.record.find(({ from, what }) => from === 'b' && what === 'BYE');
    expect(bye?.at).toBeGreaterThan(start + 268_000 - 100);
    expect(bye?.at).toBeLessThanOrEqual(start + 268_000);
    expect(await a.ended).toMatchObject({ by: 'timeout' });
    await pair.nothingLeft();
  });

  it('is tried again where a refresh is refused for a while', async () => {
    const pair = new Pair(limits);
    const { a } = await pair.talk();
    pair.wire.take();
    pair.b.refuses = { status: 503 };
    await pair.run(165_000);
    pair.b.refuses = undefined;
    await pair.run(10_000);
    expect(pair.wire.take()).toEqual([
      'a UPDATE',
      'b 503 UPDATE',
      'a UPDATE',
      'b 503 UPDATE',
      'a UPDATE',
      'b 200 UPDATE',
    ]);
    void a.end();
    await pair.nothingLeft();
  });

  it('never expires where the peer speaks of no timer', async () => {
    const pair = new Pair(limits);
    pair.wire.edit = ({ headers }) => void headers.delete('Session-Expires').delete('Supported').delete('Require');
    const { a } = await pair.talk();
    pair.wire.take();
    await pair.run(3_600_000);
    expect(pair.wire.take()).toEqual([]);
    void a.end();
    await pair.nothingLeft();
  });
});
