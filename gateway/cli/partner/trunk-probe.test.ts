import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Headers } from '../../sip/message/headers.ts';
import { type SipMessage, SipRequest } from '../../sip/message/message.ts';
import { serialise } from '../../sip/message/serialise.ts';
import { respondTo } from '../../sip/transaction/response.ts';
import type { Flow } from '../../sip/transport/flow.ts';
import { Flows } from '../../sip/transport/flows.ts';
import { TrunkNet } from '../../sip/trunk/testing/trunk-net.fixture.ts';
import type { TrunkOptions } from '../../sip/trunk/trunk-options.ts';
import { TrunkProbe } from './trunk-probe.ts';

const trunk: TrunkOptions = {
  id: 'p.example',
  kind: 'partner',
  domain: 'p.example',
  domains: ['p.example'],
  tls: true,
  localDomain: 'h.example',
  credentials: { username: 'h', password: async () => 'secret' },
};

let net: TrunkNet;
let probe: TrunkProbe;
let peer: Flows;
let port: number;
/** What the peer does with a message. */
let received: (flow: Flow, message: SipMessage) => void;

beforeEach(async () => {
  net = await TrunkNet.start();
  const [ours, theirs] = await Promise.all([
    net.context({ domains: ['h.example'] }),
    net.context({ domains: ['p.example'] }),
  ]);
  peer = new Flows({
    user: { message: (flow, message) => received(flow, message), closed: () => undefined },
    secureContextFor: () => theirs,
    identitiesOf: () => [],
    judge: () => undefined,
  });
  ({ port } = await peer.listen({ host: '127.0.0.1', port: 0, tls: true }));
  probe = new TrunkProbe({ trunk, secureContextFor: () => ours, connectMs: 5_000 });
});
afterEach(async () => {
  await Promise.all([probe.close(), peer.close()]);
  await net.close();
});

const signal = AbortSignal.timeout(10_000);
const connect = () => probe.connect({ host: '127.0.0.1', port }, signal);

function reply(flow: Flow, message: SipMessage, status: number, ...headers: (readonly [string, string])[]): void {
  if (message.kind !== 'request') return;
  const response = respondTo(message, status);
  response.headers.set('To', `${response.headers.get('To')};tag=1`);
  for (const [name, value] of headers) response.headers.add(name, value);
  flow.send(serialise(response));
}

describe('a trunk that is probed', () => {
  it('is asked OPTIONS from domain to domain, on a connection that stands for itself alone', async () => {
    const asked = Promise.withResolvers<SipRequest>();
    received = (flow, message) => {
      if (message.kind === 'request') asked.resolve(message);
      reply(flow, message, 200);
    };
    const flow = await connect();
    expect((await probe.options(flow, signal)).status).toBe(200);
    const request = await asked.promise;
    expect([request.method, request.uri, request.from.uri]).toEqual(['OPTIONS', 'sip:p.example', 'sip:h.example']);
    // `;alias` (RFC 5923) names what nobody is located at, so no request of the partner's is led here.
    const { host, port: sentBy } = request.topVia;
    expect({ host, port: sentBy }).toEqual(flow.local);
  });

  it('answers a challenge with the credentials of the trunk', async () => {
    received = (flow, message) => {
      if (message.headers.has('Authorization')) reply(flow, message, 200);
      else
        reply(flow, message, 401, ['WWW-Authenticate', 'Digest realm="p", nonce="n", algorithm=SHA-256, qop="auth"']);
    };
    expect((await probe.options(await connect(), signal)).status).toBe(200);
  });

  it('sends whoever asks something of it to the gateway', async () => {
    const answered = Promise.withResolvers<number>();
    received = (flow, message) => {
      if (message.kind === 'response') answered.resolve(message.status);
      else {
        const headers = new Headers([
          ['Via', 'SIP/2.0/TLS p.example;branch=z9hG4bK1'],
          ['From', '<sip:bob@p.example>;tag=1'],
          ['To', '<sip:alice@h.example>'],
          ['Call-ID', '1'],
          ['CSeq', '1 MESSAGE'],
          ['Max-Forwards', '70'],
        ]);
        flow.send(serialise(new SipRequest('MESSAGE', 'sip:alice@h.example', headers, Buffer.from('hi'))));
        reply(flow, message, 200);
      }
    };
    await probe.options(await connect(), signal);
    expect(await answered.promise).toBe(503);
  });

  it('that ends the connection is told as such', async () => {
    received = (flow) => flow.close();
    await expect(probe.options(await connect(), signal)).rejects.toMatchObject({
      code: 'remote-unreachable',
      message: expect.stringContaining('It ended the connection when it was sent OPTIONS'),
    });
  });

  it('that stays silent is waited for as long as the signal says', async () => {
    const silent = Promise.withResolvers<void>();
    received = () => silent.resolve();
    const patience = new AbortController();
    const asking = probe.options(await connect(), patience.signal);
    await silent.promise;
    patience.abort(new Error('enough'));
    await expect(asking).rejects.toThrow('enough');
  });
});
