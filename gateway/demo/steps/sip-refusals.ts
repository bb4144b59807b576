import type { Reply } from '../../sip/port.ts';
import { having } from '../log-line.ts';
import type { Scene } from '../scene.ts';
import type { Step } from '../step.ts';
import { statusText } from './status-text.ts';

export const sipsRefused: Step<Scene> = {
  name: 'a sips: message refused',
  expected:
    'a MESSAGE to a sips: URI, which asks for TLS on every hop, is answered 480 with Warning 380 and does not arrive',
  async look(scene, signal) {
    const { alice } = scene.cast;
    const { reply, logged, arrived } = await attempt(scene, { to: `sips:${alice.bareJid}` }, signal);
    const warning = reply.headers.get('Warning') ?? 'none';
    return {
      holds: reply.status === 480 && warning.startsWith('380 ') && logged === 'sips-not-bridged' && !arrived,
      seen: `${statusText(reply)}, Warning ${warning}; log: ${logged}${arrivedText(arrived)}`,
    };
  },
};

export const spoofedFromRefused: Step<Scene> = {
  name: 'a spoofed From refused',
  expected:
    'on the trunk proven as northwind.example, a MESSAGE from ceo@contoso.example and one from bob@fabrikam.example are answered 403',
  async look(scene, signal) {
    const { northwind, cast } = scene;
    const [own, other] = [cast.ceo.bareJid, cast.bob.bareJid];
    const first = await attempt(scene, { from: `sip:${own}` }, signal);
    const second = await attempt(scene, { from: `sip:${other}` }, signal);
    const refused = [first, second].every(
      ({ reply, logged }) => reply.status === 403 && logged === 'sender-not-proven',
    );
    const arrived = first.arrived || second.arrived;
    return {
      holds: refused && !arrived,
      seen:
        `proven as ${northwind.domain}, From ${own}: ${statusText(first.reply)}; From ${other}: ` +
        `${statusText(second.reply)}; log: ${first.logged}${arrivedText(arrived)}`,
    };
  },
};

interface Attempt {
  readonly reply: Reply;
  /** Why, as the gateway logged it. */
  readonly logged: string;
  readonly arrived: boolean;
}

/** A MESSAGE of the SIP partner to alice, which the gateway should refuse. */
async function attempt(
  { contoso, northwind, cast: { alice } }: Scene,
  { to = `sip:${alice.bareJid}`, from = northwind.uri },
  signal: AbortSignal,
): Promise<Attempt> {
  const words = 'Please wire the money today.';
  const before = { wire: alice.received.mark(), log: contoso.daemon.log.mark() };
  const reply = await northwind.write(to, words, from);
  const refused = having({ event: 'sip-refused', method: 'MESSAGE', from });
  const inLog = async (): Promise<string> => {
    const { reason } = await contoso.daemon.log.find('a refusal in the log', refused, before.log, signal);
    return String(reason);
  };
  // Where it was taken there is nothing to wait for.
  const logged = reply.status < 300 ? 'nothing' : await inLog();
  const arrived = alice.received.since(before.wire).some((stanza) => stanza.getChildText('body') === words);
  return { reply, logged, arrived };
}

function arrivedText(arrived: boolean): string {
  return arrived ? '; and the message arrived' : '';
}
