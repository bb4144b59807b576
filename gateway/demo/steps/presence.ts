import type { Element } from 'ltx';
import { escapeText } from '../../xmpp/xml.ts';
import type { DemoClient } from '../client.ts';
import { having } from '../log-line.ts';
import type { Scene } from '../scene.ts';
import type { Step } from '../step.ts';
import { ruleText } from './rule-text.ts';

const WORDS = 'in a meeting about the merger';

export const presenceSeen: Step<Scene> = {
  name: 'presence seen',
  expected: "alice's presence with its words at bob (show: status), bob's without them at alice (show: availability)",
  async look({ cast: { alice, bob } }, signal) {
    const [toBob, toAlice] = await Promise.all([announce(alice, bob, signal), announce(bob, alice, signal)]);
    return {
      holds: toBob.getChildText('status') === WORDS && toAlice.getChild('status') === undefined,
      seen: `bob sees alice ${presenceText(toBob)}; alice sees bob ${presenceText(toAlice)}`,
    };
  },
};

export const executiveHidden: Step<Scene> = {
  name: 'an executive not seen',
  expected:
    "bob's request is answered `unsubscribed`, ceo's message arrives and no presence of hers, and a policy line says why",
  async look({ contoso, cast: { ceo, bob } }, signal) {
    const before = { wire: bob.received.mark(), log: contoso.daemon.log.mark() };
    bob.send(`<presence to='${ceo.bareJid}' type='subscribe'/>`);
    const answer = await bob.received.find(
      'an answer to the request',
      ({ name, attrs }) => name === 'presence' && bare(attrs.from) === ceo.bareJid,
      before.wire,
      signal,
    );
    ceo.send(`<presence to='${bob.bareJid}'><status>${WORDS}</status></presence>`);
    // The way of a pair of domains keeps its order: the presence would come ahead of it.
    ceo.say(bob.bareJid, 'We talk tomorrow.', 'ceo-1');
    await bob.received.find("ceo's message", ({ attrs }) => attrs.id === 'ceo-1', before.wire, signal);
    const presences = bob.received
      .since(before.wire)
      .filter(
        ({ name, attrs }) => name === 'presence' && bare(attrs.from) === ceo.bareJid && attrs.type !== 'unsubscribed',
      );
    const refused = having({ event: 'stanza-refused', reason: 'presence-hidden', direction: 'outbound' });
    const line = await contoso.daemon.log.find('a refusal in the log', refused, before.log, signal);
    return {
      holds: answer.attrs.type === 'unsubscribed' && presences.length === 0 && ruleText(line) !== '',
      seen:
        `bob's request: ${answer.attrs.type ?? 'presence'}; of ceo's presence and message ` +
        `${presences.length === 0 ? 'the message alone' : 'both'} came; ${ruleText(line)}`,
    };
  },
};

/** Lets `one` say what it does, and resolves with what `other` gets of it. */
async function announce(one: DemoClient, other: DemoClient, signal: AbortSignal): Promise<Element> {
  const before = other.received.mark();
  one.send(`<presence><show>dnd</show><status>${escapeText(WORDS)}</status></presence>`);
  return other.received.find(
    `the presence of ${one.bareJid}`,
    ({ name, attrs }) => name === 'presence' && attrs.from === one.jid && attrs.type === undefined,
    before,
    signal,
  );
}

/** As its reader takes it, e.g. `dnd, "in a meeting"`. */
function presenceText(presence: Element): string {
  const words = presence.getChildText('status');
  return `${presence.getChildText('show') ?? 'available'}, ${words === null ? 'without words' : `"${words}"`}`;
}

function bare(address: string | undefined): string {
  return (address ?? '').split('/', 1)[0] ?? '';
}
