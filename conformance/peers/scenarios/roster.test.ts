import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { requirePeers } from '../available.ts';
import { publishXmpp } from '../dns.ts';
import { RawComponent } from '../raw-component.ts';
import { type Play, playSubscriptions, type Seen } from '../subscription-play.ts';
import { type Row, rows, type Way } from '../subscription-table.ts';
import { World } from '../world.ts';

const contactsDomain = 'contacts.example';
const secret = 'component-secret';

const policy = `partner: ${contactsDomain}
trust: { accept: [certificate] }
presence: [{ local: "*", show: full }]
messages: { allow: both }
`;

const wayOf: Readonly<Record<Way, string>> = { out: 'the user sends', in: 'the contact sends' };
const described = rows.map((row) => ({ row, name: `${row.state}: ${wayOf[row.step[0]]} ${row.step[1]}` }));
/** What the roster shows of a state; a contact's request is no part of it (RFC 6121 §2.1.2.2). */
const shownOf = (state: string) => state.replace(' + in', '');

/** Where Prosody 0.12 does otherwise, which harms nobody: it repeats a grant, and pushes the removal of what is not there. */
const prosodyDeviates: Readonly<Record<string, Partial<Seen>>> = {
  'from: the user sends subscribed': { passed: ['subscribed'], next: 'from' },
  'from + out: the user sends subscribed': { passed: ['subscribed'], next: 'from + out' },
  'both: the user sends subscribed': { passed: ['subscribed'], next: 'both' },
  'none + in: the contact sends unsubscribe': { passed: ['unsubscribe'], next: 'none', pushed: 'remove' },
};

describe.runIf(requirePeers('prosody'))('Subscriptions go by the tables of RFC 6121, Appendix A', () => {
  describe('at Prosody', () => {
    let world: World;
    let play: Play;

    beforeAll(async () => {
      world = await World.start();
      const server = await world.prosody({
        domain: 'h.example',
        users: { alice: 'pass-a' },
        modules: ['smacks'],
        components: [{ domain: contactsDomain, secret }],
      });
      const { address, ports } = server;
      const contacts = await RawComponent.connect({ address, port: ports.component, domain: contactsDomain, secret });
      world.own(contacts);
      const alice = await world.smClient(server, 'alice');
      play = await playSubscriptions(alice, contacts, () => world.smClient(server, 'alice'));
    });
    afterAll(() => world?.close());

    it.each(described)('$name', ({ row, name }) => {
      if (name in prosodyDeviates) expect(play.get(row)).toMatchObject(prosodyDeviates[name] ?? {});
      else expectRow(play, row);
    });
  });

  describe('at the embedded home, with contacts behind a partner', () => {
    let world: World;
    let play: Play;

    beforeAll(async () => {
      world = await World.start();
      const partner = await world.prosody({
        domain: 'p.example',
        components: [{ domain: contactsDomain, secret, own: true }],
        certificate: await world.authority.issue({ domains: ['p.example', contactsDomain] }),
      });
      const { address, ports } = partner;
      publishXmpp(world.dns, contactsDomain, [{ host: address, port: ports.s2s }]);
      const gateway = await world.gateway({
        home: { users: { alice: 'pass-a' } },
        homeDomains: ['h.example'],
        policies: { 'contacts.example.yaml': policy },
      });
      const contacts = await RawComponent.connect({ address, port: ports.component, domain: contactsDomain, secret });
      world.own(contacts);
      const alice = await world.smClient(gateway, 'alice');
      play = await playSubscriptions(alice, contacts, () => world.smClient(gateway, 'alice'));
    });
    afterAll(() => world?.close());

    it.each(described)('$name', ({ row }) => expectRow(play, row));
  });
});

function expectRow(play: Play, row: Row): void {
  const { state, step, passes, next } = row;
  const [way, kind] = step;
  const seen = play.get(row);
  // §3.1.3: a request of a contact who is subscribed already is granted at once.
  const granted = way === 'in' && kind === 'subscribe' && /^(from|both)/.test(state);
  expect(seen).toMatchObject({ passed: passes ? [kind] : [], answered: granted ? ['subscribed'] : [], next });
  if (shownOf(next) !== shownOf(state)) expect(seen?.pushed).toBe(shownOf(next));
  else expect([undefined, shownOf(state)]).toContain(seen?.pushed);
}
