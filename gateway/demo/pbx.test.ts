import { expect, it, onTestFinished } from 'vitest';
import { Ports } from './loopback.ts';
import { Pbx } from './pbx.ts';
import { audioAt } from './session-description.ts';
import { SipEndpoint } from './sip-endpoint.ts';
import { ZoneServer } from './zone-server.ts';

const late = AbortSignal.timeout(15_000);
const address = '127.0.0.1';
const domain = 'contoso.example';

it('rings, answers, and tells of the call up to its end', async () => {
  const ports = new Ports();
  const port = await ports.take(address, 'sip');
  const records = [
    { name: `_sip._tcp.${domain}`, type: 'SRV', data: { priority: 0, weight: 0, port, target: domain } },
    { name: domain, type: 'A', data: address },
  ] as const;
  const dns = new ZoneServer({ zone: 'example', address, records });
  await dns.start();
  onTestFinished(() => dns.close());
  const nameServer = `${address}:${dns.port}`;

  const pbx = new Pbx({ domain, address, port });
  onTestFinished(() => pbx.close());
  await pbx.start({ nameServer });
  const caller = new SipEndpoint({
    peer: { kind: 'home', domain, calls: domain },
    address,
    port: await ports.take(address, 'sip'),
    nameServer,
  });
  onTestFinished(() => caller.close());
  await caller.start({ invite: (call) => call.refuse({ status: 486 }), request: async () => ({ status: 501 }) });

  const [from, target, offer] = ['sip:dora@northwind.example', `sip:alice@${domain}`, audioAt('192.0.2.1')];
  const call = caller.trunk.invite({ target, from: { uri: from }, to: { uri: target }, offer, signal: late });
  const statuses: number[] = [];
  call.onProgress = ({ status }) => statuses.push(status);
  const result = await call.result;
  if (!result.ok) throw new Error(`refused: ${result.reply.status}`);
  expect([statuses, result.sdp]).toEqual([[180], pbx.sdp]);
  await result.session.end();
  await pbx.heard.find('BYE', ({ method }) => method === 'BYE', 0, late);
  expect(pbx.heard.since(0)).toMatchObject(['INVITE', 'ACK', 'BYE'].map((method) => ({ method, from, target, offer })));
});
