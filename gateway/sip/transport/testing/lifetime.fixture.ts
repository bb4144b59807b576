import { Certificates, request, side } from './net.fixture.ts';

/** Run as a process of its own: flows meet and close. Whoever leaves a handle behind keeps it from ending. */
const certificates = await Certificates.create();
await certificates.add('home.example', 'partner.example');
const [home, partner] = [side(certificates), side(certificates)];
const { host, port } = await home.flows.listen({ host: '127.0.0.1', port: 0, tls: true });
const target = { host, port, tls: true, name: 'home.example', localName: 'partner.example' };
const flow = await partner.flows.connect(target);
flow.send(Buffer.from(request()));
await home.user.next();
// One attempt that nobody answers, and one that is refused.
const attempts = [
  partner.flows.connect({ ...target, host: '192.0.2.1' }),
  partner.flows.connect({ ...target, name: 'elsewhere.example' }),
];
const settled = Promise.allSettled(attempts);
await Promise.all([partner.flows.close(), home.flows.close()]);
await settled;
process.stdout.write('closed');
