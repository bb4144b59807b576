import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type DrachtioAt, DrachtioSite, drachtioHere } from '../drachtio.ts';
import { audioSdp } from '../sip-call.ts';
import { headerValue } from '../sip-reader.ts';
import { token } from '../sip-wire.ts';

const here = drachtioHere();
const nowhere: DrachtioAt = { host: '', port: 0, secret: '' };
const pbxUser = 'sip:100@pbx.example';
const localUser = 'sip:alice@h.example';
const sdp = [['Content-Type', 'application/sdp']] as const;

// Where somebody runs a drachtio server, and says so by DRACHTIO_HOST, DRACHTIO_PORT and DRACHTIO_SECRET.
describe.runIf(here !== undefined)('over a drachtio server', () => {
  let site: DrachtioSite;

  beforeEach(async () => {
    site = await DrachtioSite.start(here ?? nowhere);
  });
  afterEach(() => site?.close());

  it('another secret ends the start', async () => {
    const wrong = { ...(here ?? nowhere), secret: `not ${token()}` };
    await expect(DrachtioSite.start(wrong)).rejects.toMatchObject({ code: 'drachtio-unusable' });
  });

  it('messages cross each way', async () => {
    const wire = await site.wire();
    const text = [['Content-Type', 'text/plain;charset=utf-8']] as const;
    const answer = await wire.exchange({
      method: 'MESSAGE',
      target: localUser,
      from: pbxUser,
      headers: text,
      body: 'grüß 🦆',
    });
    expect(answer.start).toMatch(/^SIP\/2\.0 200 /);
    const request = await site.requests.next();
    expect(request).toMatchObject({ method: 'MESSAGE', target: localUser, from: { uri: pbxUser } });
    expect(request.body?.content.toString()).toBe('grüß 🦆');

    const sent = site.trunk.request({
      method: 'MESSAGE',
      target: pbxUser,
      from: { uri: localUser, display: 'Älice' },
      to: { uri: pbxUser },
      headers: [['Subject', 'lunch']],
      body: { type: 'text/plain;charset=utf-8', content: Buffer.from('zurück 🦆') },
    });
    const towards = await site.pbx.next();
    const received = await towards.request('MESSAGE');
    expect(received.body.toString()).toBe('zurück 🦆');
    expect(headerValue(received, 'subject')).toBe('lunch');
    expect(headerValue(received, 'from')).toContain(localUser);
    await towards.respond(received, 202);
    expect(await sent).toMatchObject({ status: 202, origin: 'peer' });
  });

  it('a sender of another domain is refused', async () => {
    const wire = await site.wire();
    const answer = await wire.exchange({ method: 'MESSAGE', target: localUser, from: 'sip:x@evil.example', body: '' });
    expect(answer.start).toMatch(/^SIP\/2\.0 403 /);
    expect(site.refusals).toEqual(['sender-not-proven']);
  });

  it('a call of the PBX is set up, held and ended', async () => {
    const wire = await site.wire();
    const ids = { callId: `${token()}@wire`, fromTag: token(), from: pbxUser };
    const headers = [['Contact', `<sip:100@${wire.local};transport=tcp>`], ...sdp] as const;
    const invited = wire.exchange({ ...ids, method: 'INVITE', target: localUser, headers, body: audioSdp() });
    const call = await site.calls.next();
    expect(call.offer).toBe(audioSdp());
    call.ring({ status: 180 });
    const answered = call.answer(audioSdp({ port: 40_002 }));
    const ok = await invited;
    expect(ok.start).toMatch(/^SIP\/2\.0 200 /);
    expect(ok.body.toString()).toBe(audioSdp({ port: 40_002 }));
    const target = /<([^>]+)>/.exec(headerValue(ok, 'contact'))?.[1] ?? '';
    const within = { ...ids, target, to: headerValue(ok, 'to') };
    await wire.send({ ...within, method: 'ACK' });
    const session = await answered;

    const modified = session.modify(audioSdp({ port: 40_002, direction: 'sendonly', version: 2 }));
    const change = await wire.request('INVITE');
    await wire.respond(change, 200, 'OK', { headers, body: audioSdp({ direction: 'recvonly', version: 2 }) });
    expect(await modified).toEqual({ sdp: audioSdp({ direction: 'recvonly', version: 2 }) });
    await wire.request('ACK');

    expect((await wire.exchange({ ...within, method: 'BYE', cseq: 2 })).start).toMatch(/^SIP\/2\.0 200 /);
    expect(await session.ended).toMatchObject({ by: 'peer' });
  });

  it('a call of the PBX is cancelled', async () => {
    const wire = await site.wire();
    const ids = {
      callId: `${token()}@wire`,
      fromTag: token(),
      from: pbxUser,
      target: localUser,
      branch: `z9hG4bK${token()}`,
    };
    const headers = [['Contact', `<sip:100@${wire.local};transport=tcp>`], ...sdp] as const;
    await wire.send({ ...ids, method: 'INVITE', headers, body: audioSdp() });
    const call = await site.calls.next();
    call.ring({ status: 180 });
    await wire.messages.next(({ start }) => start.startsWith('SIP/2.0 180'));
    await wire.send({ ...ids, method: 'CANCEL' });
    await wire.messages.next(({ start }) => start.startsWith('SIP/2.0 487'));
    if (!call.cancelled.aborted) await new Promise((resolve) => call.cancelled.addEventListener('abort', resolve));
    await expect(call.answer(audioSdp())).rejects.toMatchObject({ code: 'call-over' });
  });

  it('a call to the PBX is set up and ended, and another refused', async () => {
    const order = { target: pbxUser, from: { uri: localUser }, to: { uri: pbxUser }, offer: audioSdp() };
    const { result } = site.trunk.invite(order);
    const wire = await site.pbx.next();
    const invite = await wire.request('INVITE');
    expect(invite.body.toString()).toBe(audioSdp());
    const headers = [['Contact', `<sip:100@${wire.local};transport=tcp>`], ...sdp] as const;
    await wire.respond(invite, 200, 'OK', { headers, body: audioSdp({ port: 40_002 }) });
    const outcome = await result;
    if (!outcome.ok) throw new Error(`refused with ${outcome.reply.status}`);
    expect(outcome.sdp).toBe(audioSdp({ port: 40_002 }));
    await wire.request('ACK');
    const ended = outcome.session.end('SIP;cause=200');
    const bye = await wire.request('BYE');
    expect(headerValue(bye, 'reason')).toContain('cause=200');
    await wire.respond(bye, 200);
    await ended;

    const refused = site.trunk.invite(order).result;
    await wire.respond(await wire.request('INVITE'), 486, 'Busy Here');
    expect(await refused).toMatchObject({ ok: false, reply: { status: 486, origin: 'peer' } });
  });
});
