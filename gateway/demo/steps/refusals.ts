import { escapeText } from '../../xmpp/xml.ts';
import { having } from '../log-line.ts';
import type { Organisation } from '../organisation.ts';
import { PartnerStream } from '../partner-stream.ts';
import type { Scene, Stranger } from '../scene.ts';
import type { Step } from '../step.ts';

export const spoofRefused: Step<Scene> = {
  name: 'a spoofed sender refused',
  expected: 'a stream proven as fabrikam.example that says `from ceo@contoso.example` ends with invalid-from',
  async look({ contoso, fabrikam, cast: { alice, ceo } }, signal) {
    const before = { wire: alice.received.mark(), log: contoso.daemon.log.mark() };
    const stream = await streamTo(contoso, fabrikam, signal);
    await stream.prove();
    const words = escapeText('Please wire the money today.');
    stream.send(
      `<message from='${ceo.bareJid}' to='${alice.bareJid}' type='chat' id='spoof'><body>${words}</body></message>`,
    );
    const condition = await stream.ended;
    const refused = having({ event: 'stream-refused', reason: 'sender-not-proven' });
    await contoso.daemon.log.find('a refusal in the log', refused, before.log, signal);
    const arrived = alice.received.since(before.wire).some(({ attrs }) => attrs.id === 'spoof');
    return {
      holds: condition === 'invalid-from' && !arrived,
      seen:
        `proven as ${fabrikam.domain}, wrote as ${ceo.bareJid}: stream error ${condition ?? 'none'}` +
        `${arrived ? ', and the message arrived' : ''}`,
    };
  },
};

export const strangerRefused: Step<Scene> = {
  name: 'an unknown domain refused',
  expected: 'a server with a certificate that contoso.example trusts, but no policy, is told not-authorized',
  async look({ contoso, stranger }, signal) {
    const before = contoso.daemon.log.mark();
    const stream = await streamTo(contoso, stranger, signal);
    const proven = await stream.prove().then(
      () => true,
      () => false,
    );
    if (proven) stream.close();
    const condition = await stream.ended;
    // Its certificate proved it; where that had failed, the reason would be another.
    const refused = having({ event: 'stream-refused', reason: 'no-partner', partner: stranger.domain });
    await contoso.daemon.log.find('a refusal in the log', refused, before, signal);
    return {
      holds: !proven && condition === 'not-authorized',
      seen: `${stranger.domain}, certificate trusted, no policy: stream error ${condition ?? 'none'}`,
    };
  },
};

/** A stream to an organisation by whoever has this certificate; it ends with the step at the latest. */
async function streamTo(
  { address, xmppServer, domain: to }: Organisation,
  { domain: from, certificate }: Stranger,
  signal: AbortSignal,
): Promise<PartnerStream> {
  const stream = await PartnerStream.connect({ address, port: xmppServer, from, certificate, to });
  signal.addEventListener('abort', () => stream.close(), { once: true });
  return stream;
}
