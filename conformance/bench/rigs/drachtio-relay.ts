import { createRequire } from 'node:module';
import { connect } from 'node:net';
import type { RelayPlan } from './drachtio-rig.ts';

/**
 * MESSAGE to XMPP and back as a programmer writes it with drachtio-srf: each message is passed on as it comes, nothing
 * is judged, kept or mapped. Prints `ready` and the server's addresses.
 */
const plan: RelayPlan = JSON.parse(process.argv[2] ?? '{}');
const Srf = createRequire(import.meta.url)('drachtio-srf');
const srf = new Srf();

const link = connect({ host: plan.component.address, port: plan.component.port, noDelay: true });
link.setEncoding('utf8');
link.write(
  `<stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams' to='${plan.partner}'>`,
);

const stanza = /<message to='([^'/]+)[^']*' from='([^'/]+)[^']*'[^>]*><body>([^<]*)<\/body><\/message>/g;
let rest = '';
link.on('data', (chunk: string) => {
  if (rest === '' && chunk.includes('<stream:stream')) {
    link.write('<handshake>none</handshake>');
    return;
  }
  rest += chunk;
  let end = 0;
  for (const match of rest.matchAll(stanza)) {
    end = match.index + match[0].length;
    const [, to = '', from = '', body = ''] = match;
    const { address, port } = plan.next;
    const uri = `sip:${to.split('@', 1)[0]}@${address}:${port};transport=tcp`;
    const headers = { From: `<sip:${from}>`, To: `<sip:${to}>`, 'Content-Type': 'text/plain;charset=UTF-8' };
    srf.request(uri, { method: 'MESSAGE', headers, body }, () => {});
  }
  rest = rest.slice(end);
});

const escaped: Readonly<Record<string, string>> = { '<': '&lt;', '>': '&gt;', '&': '&amp;' };
let count = 0;

srf.message(
  (
    request: { body: string; getParsedHeader(name: string): { uri: string }; uri: string },
    response: { send(status: number): void },
  ) => {
    const from = bare(request.getParsedHeader('from').uri);
    const body = request.body.replace(/[<>&]/g, (mark) => escaped[mark] ?? mark);
    link.write(
      `<message to='${bare(request.uri)}' from='${from}' type='chat' id='r${count++}'><body>${body}</body></message>`,
    );
    response.send(200);
  },
);
srf.on('connect', (error: unknown, addresses: string) => {
  if (error) throw error;
  console.log(`ready ${addresses}`);
});
srf.on('error', () => process.exit(1));
srf.connect(plan.server);

function bare(uri: string): string {
  return uri.replace(/^sips?:/, '').replace(/[;?:].*$/, '');
}
