import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { publishSip } from '../dns.ts';
import type { GatewayProcess } from '../gateway.ts';
import { audioSdp } from '../sip-call.ts';
import { SipPeers } from '../sip-peers.ts';
import { headerValue, methodOf, statusOf, type WireMessage } from '../sip-reader.ts';
import { goodDomain, homeDomain, hostileDomain, SipPlayer, SipSiege } from '../sip-siege.ts';
import { type SipWire, sipBytes, token } from '../sip-wire.ts';
import { World } from '../world.ts';

/** A dialog as its caller has it. */
interface Talk {
  readonly wire: SipWire;
  readonly callId: string;
  readonly from: string;
  readonly fromTag: string;
  /** The whole To of the answer. */
  readonly to: string;
  /** Where the next requests go. */
  readonly contact: string;
  /** The other leg, as the PBX has it. */
  readonly desk: { readonly wire: SipWire; readonly message: WireMessage };
  readonly branch: string;
}

const sdp = ['Content-Type', 'application/sdp'] as const;
const contactOf = (wire: SipWire, user = 'mallory') =>
  ['Contact', `<sip:${user}@${wire.local};transport=tls>`] as const;
const uriIn = (value: string) => /<([^>]*)>/.exec(value)?.[1] ?? value;

describe('Calls that somebody tampers with', () => {
  let siege: SipSiege;
  let open: SipWire[] = [];

  beforeAll(async () => {
    siege = await SipSiege.start({ hostile: 'calls: { allow: both, transfers: allow }' });
  });
  afterAll(() => siege?.close());
  afterEach(async () => {
    await Promise.all(open.map((wire) => wire.close()));
    open = [];
    await siege.settled();
    siege.pbx.requests.clear();
    await siege.talk();
    siege.unhurt();
  });

  const attack = async () => {
    const wire = await siege.attack();
    open.push(wire);
    return wire;
  };

  /** An INVITE to alice's telephone that rings there. */
  async function ring(wire: SipWire, user: string, domain: string, late = false) {
    const from = `sip:${user}@${domain}`;
    const [callId, fromTag, branch] = [token(), token(), `z9hG4bK${token()}`];
    const target = `sip:alice@${homeDomain}`;
    const headers = [contactOf(wire, user), ...(late ? [] : [sdp])];
    await wire.send({ method: 'INVITE', target, from, callId, fromTag, branch, headers, body: late ? '' : audioSdp() });
    const desk = await siege.pbx.requests.next(
      ({ message }) => methodOf(message) === 'INVITE' && headerValue(message, 'from').includes(`${user}@`),
    );
    await desk.wire.respond(desk.message, 180, 'Ringing', { headers: [['Contact', `<sip:alice@${desk.wire.local}>`]] });
    const answer = await wire.messages.next((message) => statusOf(message) === 180);
    return { wire, from, callId, fromTag, branch, target, desk, to: headerValue(answer, 'to') };
  }

  /** The same, answered; acknowledged unless it is to be left open. */
  async function call(
    wire: SipWire,
    user: string,
    domain: string,
    { acknowledged = true, late = false } = {},
  ): Promise<Talk> {
    const { from, callId, fromTag, branch, desk } = await ring(wire, user, domain, late);
    const contact = ['Contact', `<sip:alice@${desk.wire.local}>`] as const;
    await desk.wire.respond(desk.message, 200, 'OK', { headers: [contact, sdp], body: audioSdp() });
    const answer = await wire.messages.next(
      (message) => statusOf(message) === 200 && headerValue(message, 'call-id') === callId,
    );
    const talk = {
      wire,
      callId,
      from,
      fromTag,
      branch,
      to: headerValue(answer, 'to'),
      contact: uriIn(headerValue(answer, 'contact')),
      desk,
    };
    if (acknowledged) await within(wire, talk, 'ACK', { cseq: 1, body: late ? audioSdp() : '' });
    if (!late || acknowledged) await siege.pbx.request('ACK');
    return talk;
  }

  /** A request within a dialog, from any connection. */
  function within(
    wire: SipWire,
    { callId, from, fromTag, to, contact }: Omit<Talk, 'wire' | 'desk' | 'branch'>,
    method: string,
    {
      cseq = 2,
      headers = [],
      body = '',
    }: { cseq?: number; headers?: (readonly [string, string])[]; body?: string } = {},
  ) {
    const typed = body === '' ? [] : [sdp];
    const request = {
      method,
      target: contact,
      from,
      to,
      callId,
      fromTag,
      cseq,
      headers: [contactOf(wire), ...typed, ...headers],
      body,
    };
    return wire.send(request);
  }

  /** Sends a request within a dialog; resolves with its final status. */
  async function asks(...parameters: Parameters<typeof within>): Promise<number> {
    const [wire] = parameters;
    const { branch } = await within(...parameters);
    const answer = await wire.messages.next(
      (message) => statusOf(message) >= 200 && headerValue(message, 'via').includes(branch),
    );
    return statusOf(answer);
  }

  async function hangUp(talk: Talk, cseq = 50): Promise<void> {
    const done = asks(talk.wire, talk, 'BYE', { cseq });
    const { wire, message } = await siege.pbx.request('BYE');
    await wire.respond(message, 200, 'OK');
    expect(await done).toBe(200);
  }

  it('by the other partner, who knows all of its dialog, find nobody', async () => {
    const talk = await call(siege.wire, 'bob', goodDomain);
    const wire = await attack();
    for (const [method, headers, body] of [
      ['BYE', [], ''],
      ['INVITE', [], audioSdp({ port: 6666 })],
      ['UPDATE', [], audioSdp({ port: 6666 })],
      ['INFO', [], ''],
      ['REFER', [['Refer-To', `<sip:x@${hostileDomain}>`]], ''],
      [
        'NOTIFY',
        [
          ['Event', 'refer'],
          ['Subscription-State', 'active'],
        ],
        '',
      ],
      ['PRACK', [['RAck', '1 1 INVITE']], ''],
      ['MESSAGE', [], ''],
      ['OPTIONS', [], ''],
    ] as const) {
      expect(await asks(wire, talk, method, { headers: [...headers], body }), method).toBe(481);
      // As itself, with the tags and the Call-ID of the others.
      const own = { ...talk, from: `sip:mallory@${hostileDomain}` };
      expect(await asks(wire, own, method, { headers: [...headers], body }), method).toBe(481);
    }
    expect(siege.pbx.requests.unread.map(({ message }) => message.start)).toEqual([]);
    await hangUp(talk);
  });

  it('by the other partner, who knows the branch, are not cancelled', async () => {
    const ringing = await ring(siege.wire, 'bob', goodDomain);
    const wire = await attack();
    const via = ['Via', `SIP/2.0/TLS ${siege.wire.local};branch=${ringing.branch}`] as const;
    for (const from of [ringing.from, `sip:mallory@${hostileDomain}`]) {
      await wire.write(
        sipBytes({
          start: `CANCEL ${ringing.target} SIP/2.0`,
          headers: [
            via,
            ['Max-Forwards', '70'],
            ['From', `<${from}>;tag=${ringing.fromTag}`],
            ['To', `<${ringing.target}>`],
            ['Call-ID', ringing.callId],
            ['CSeq', '1 CANCEL'],
          ],
        }),
      );
      expect(statusOf(await wire.messages.next())).toBe(481);
    }
    expect(siege.pbx.requests.unread.map(({ message }) => message.start)).toEqual([]);
    await ringing.desk.wire.respond(ringing.desk.message, 486, 'Busy');
    await siege.pbx.request('ACK');
    await siege.wire.messages.next((message) => statusOf(message) === 486);
  });

  it('by the other partner are not acknowledged in its place, with or without media of its own', async () => {
    const wire = await attack();
    for (const late of [false, true]) {
      const talk = await call(siege.wire, 'bob', goodDomain, { acknowledged: false, late });
      await within(wire, talk, 'ACK', { cseq: 1, body: late ? audioSdp({ port: 6666 }) : '' });
      // What is not acknowledged comes again.
      await siege.wire.messages.next(
        (message) => statusOf(message) === 200 && headerValue(message, 'call-id') === talk.callId,
        { timeoutMs: 5_000 },
      );
      await within(siege.wire, talk, 'ACK', { cseq: 1, body: late ? audioSdp({ port: 7777 }) : '' });
      if (late) {
        const { message } = await siege.pbx.request('ACK');
        expect(message.body.toString()).toContain('m=audio 7777 ');
      }
      await hangUp(talk);
    }
  }, 30_000);

  it.each([
    {
      what: 'Replaces',
      headers: (talk: Talk) => [
        ['Replaces', `${talk.callId};to-tag=${/tag=(.*)/.exec(talk.to)?.[1]};from-tag=${talk.fromTag}`],
      ],
    },
    {
      what: 'Join',
      headers: (talk: Talk) => [
        ['Join', `${talk.callId};to-tag=${/tag=(.*)/.exec(talk.to)?.[1]};from-tag=${talk.fromTag}`],
      ],
    },
    { what: 'Target-Dialog', headers: (talk: Talk) => [['Target-Dialog', `${talk.callId};local-tag=x;remote-tag=y`]] },
  ])('are not taken over by $what', async ({ what, headers }) => {
    const talk = await call(siege.wire, 'bob', goodDomain);
    const wire = await attack();
    const invite = {
      method: 'INVITE',
      target: `sip:alice@${homeDomain}`,
      from: `sip:mallory@${hostileDomain}`,
      body: audioSdp(),
    };
    const required = [
      contactOf(wire),
      sdp,
      ['Require', what.toLowerCase()] as const,
      ...(headers(talk) as [string, string][]),
    ];
    const demanded = await wire.exchange({ ...invite, headers: required });
    expect(statusOf(demanded)).toBe(420);
    // Without the demand it is a call as any other, and the header goes no further.
    await wire.send({ ...invite, headers: [contactOf(wire), sdp, ...(headers(talk) as [string, string][])] });
    const { wire: desk, message } = await siege.pbx.request('INVITE');
    expect(message.headers.map(([name]) => name.toLowerCase())).not.toContain(what.toLowerCase());
    await desk.respond(message, 486, 'Busy');
    await siege.pbx.request('ACK');
    expect(siege.pbx.requests.unread.map(({ message: other }) => other.start)).toEqual([]);
    await hangUp(talk);
  });

  it('out of dialog REFER goes nowhere', async () => {
    const wire = await attack();
    for (const target of [
      `sip:ceo@${homeDomain}`,
      `sip:bob@${goodDomain}`,
      `sip:x@${hostileDomain}?Replaces=a`,
      'tel:+881600',
      'http://h.example',
    ]) {
      const answer = await wire.exchange({
        method: 'REFER',
        target: `sip:alice@${homeDomain}`,
        from: `sip:mallory@${hostileDomain}`,
        headers: [contactOf(wire), ['Refer-To', `<${target}>`], ['Referred-By', `<sip:ceo@${homeDomain}>`]],
      });
      expect(statusOf(answer)).toBe(405);
    }
    expect(siege.rang).toEqual([]);
    expect(siege.good.requests.unread).toHaveLength(0);
  });

  it.each([
    {
      what: 'a call to be taken over',
      to: `<sip:alice@${homeDomain}?Replaces=a%3Bto-tag%3Db%3Bfrom-tag%3Dc>`,
      status: 400,
    },
    { what: 'headers', to: `<sip:alice@${homeDomain}?P-Asserted-Identity=%3Csip:ceo@${homeDomain}%3E>`, status: 400 },
    { what: 'another method', to: `<sip:alice@${homeDomain};method=BYE>`, status: 400 },
    { what: 'two targets', to: `<sip:ceo@${homeDomain}>, <sip:alice@${homeDomain}>`, status: 400 },
    { what: 'the other partner', to: `<sip:bob@${goodDomain}>`, status: 404 },
    { what: 'itself', to: `<sip:mallory@${hostileDomain}>`, status: 404 },
    { what: 'a telephone number of ours', to: `<sip:+881600@${homeDomain}>`, status: 403 },
    { what: 'a telephone number', to: '<tel:+881600>', status: 400 },
    { what: 'the address of the PBX', to: () => `<sip:ceo@${siege.pbx.server.address}>`, status: 404 },
    { what: 'sips:', to: `<sips:ceo@${homeDomain}>`, status: 480 },
    { what: 'SIPS: in capitals', to: `<SIPS:ceo@${homeDomain}>`, status: 480 },
  ])('a transfer to $what is refused', async ({ to, status }) => {
    const wire = await attack();
    const talk = await call(wire, 'mallory', hostileDomain);
    const referTo = typeof to === 'string' ? to : to();
    const refused = await asks(wire, talk, 'REFER', { headers: [['Refer-To', referTo]] });
    expect(refused, referTo).toBeGreaterThanOrEqual(400);
    if (status !== 404 && status !== 403) expect(refused).toBe(status);
    expect(siege.rang).toEqual([]);
    expect(siege.good.requests.unread).toHaveLength(0);
    await hangUp(talk);
  });

  it('by hangings up and changes out of order stay in order', async () => {
    const wire = await attack();
    const talk = await call(wire, 'mallory', hostileDomain);
    expect(await asks(wire, talk, 'INFO', { cseq: 10 })).toBe(200);
    expect(await asks(wire, talk, 'INFO', { cseq: 9 })).toBe(500);
    expect(await asks(wire, { ...talk, fromTag: 'other' }, 'BYE', { cseq: 11 })).toBe(481);
    expect(await asks(wire, { ...talk, to: `<sip:alice@${homeDomain}>;tag=other` }, 'BYE', { cseq: 12 })).toBe(481);
    expect(await asks(wire, { ...talk, callId: 'other' }, 'BYE', { cseq: 13 })).toBe(481);
    expect(await asks(wire, talk, 'INFO', { cseq: 4_294_967_295 })).toBeGreaterThanOrEqual(400);
    await hangUp(talk, 2_147_483_647);
  });
});

// Two Drawbridges, each of which believes that the other serves a domain.
describe('A loop between two gateways', () => {
  let world: World;
  let sip: SipPeers;
  const gateways: GatewayProcess[] = [];
  const both = 'both.example';
  const domains = ['one.example', 'two.example'] as const;
  let hostile: SipPlayer;
  let wire: SipWire;

  beforeAll(async () => {
    world = await World.start();
    sip = new SipPeers(world);
    const certificate = await sip.sipCertificate(hostileDomain);
    hostile = new SipPlayer(await sip.wireServer(certificate));
    publishSip(world.dns, hostileDomain, [{ host: hostile.server.address, port: hostile.server.port }]);
    const policy = (...names: string[]) =>
      `partner: ${names[0]}\ndomains: [${names.join(', ')}]\nspeaks: sip\ntrust: { accept: [certificate] }\nmessages: { allow: both }\ncalls: { allow: both }\n`;
    for (const [n, domain] of domains.entries()) {
      const other = domains[1 - n] ?? '';
      gateways.push(
        await world.gateway({
          home: { users: { alice: 'pass-a' } },
          homeDomains: [domain],
          sip: {},
          certificate: await sip.sipCertificate(domain, both),
          policies: {
            'other.yaml': policy(other, both),
            ...(n === 0 ? { 'hostile.yaml': policy(hostileDomain) } : {}),
          },
        }),
      );
    }
    const [one] = gateways;
    if (one === undefined) throw new Error('no gateway');
    wire = await sip.wire({
      address: one.address,
      port: one.ports.sip,
      tls: { servername: domains[0], cert: certificate.certificatePem, key: certificate.keyPem },
    });
  });
  afterAll(() => world?.close());

  it('comes to an end at once for messages, and the sender is told', async () => {
    const [one, two] = gateways;
    if (one === undefined || two === undefined) throw new Error('no gateway');
    const alice = await world.smClient(one, 'alice');
    const after = two.log.mark();
    await alice.say(`nobody@${both}`, 'round and round', 'loop-1');
    const error = await alice.messages.next(({ attrs }) => attrs.id === 'loop-1');
    expect(error.attrs.type).toBe('error');
    await two.logged({ event: 'sip-refused', reason: 'domain-not-home' }, after);
    expect(two.lines({ event: 'sip-refused' }, after)).toHaveLength(1);
    expect(one.lines({ event: 'sip-refused' })).toHaveLength(1);
  });

  it('does not begin with a message or call of a partner to that domain', async () => {
    for (const method of ['MESSAGE', 'INVITE']) {
      const answer = await wire.exchange({
        method,
        target: `sip:nobody@${both}`,
        from: `sip:mallory@${hostileDomain}`,
        headers: [contactOf(wire), method === 'INVITE' ? sdp : (['Content-Type', 'text/plain'] as const)],
        body: method === 'INVITE' ? audioSdp() : 'round',
      });
      expect(statusOf(answer)).toBeGreaterThanOrEqual(400);
    }
    for (const gateway of gateways) {
      expect(gateway.lines({ event: 'defect' })).toEqual([]);
      expect(gateway.lines({ event: 'call-started' })).toEqual([]);
    }
  });
});
