import { type Element, xml } from '@xmpp/client';
import type { SmClient } from './client-sm.ts';
import type { RawComponent } from './raw-component.ts';
import { type Kind, type Row, rows, type State, type Step, ways } from './subscription-table.ts';

/** What was seen of one row. */
export interface Seen {
  /** What the contact got when the stanza was the user's, or the user when it was the contact's. */
  readonly passed: readonly string[];
  /** What the server answered to the contact by itself. */
  readonly answered: readonly string[];
  readonly next: State;
  /** What the last roster push said; undefined where there was none. */
  readonly pushed: string | undefined;
}

export type Play = ReadonlyMap<Row, Seen>;

const rosterNs = 'jabber:iq:roster';
const subscriptionKinds: readonly string[] = [
  'subscribe',
  'subscribed',
  'unsubscribe',
  'unsubscribed',
] satisfies Kind[];

/**
 * Plays every row of the tables at once, each with a contact of its own: all contacts are brought into their states,
 * then each row's stanza is sent, and what came of it is read off both sides, the roster, and what a resource of the
 * user that comes later is asked.
 */
export async function playSubscriptions(
  user: SmClient,
  contacts: RawComponent,
  later: () => Promise<SmClient>,
): Promise<Play> {
  const addresses = new Map(rows.map((row, index) => [row, `c${index}@${contacts.domain}`]));
  const addressOf = (row: Row) => addresses.get(row) ?? '';
  const stage = new Stage(user, contacts);
  const longest = Math.max(...Object.values(ways).map((steps) => steps.length));
  for (let step = 0; step < longest; step += 1) {
    await stage.act(rows.map((row) => ({ contact: addressOf(row), step: ways[row.state][step] })));
  }
  stage.forget();
  await stage.act(rows.map((row) => ({ contact: addressOf(row), step: row.step })));

  const sight = stage.forget();

  const roster = await user.request(xml('iq', { type: 'get' }, xml('query', { xmlns: rosterNs })));
  const newcomer = await later();
  await newcomer.request(xml('iq', { type: 'get', to: newcomer.address }, xml('ping', { xmlns: 'urn:xmpp:ping' })));
  const asked = new Set(newcomer.presences.unread.filter(isSubscription).map(({ attrs }) => attrs.from));
  return new Map(
    rows.map((row) => {
      const address = addressOf(row);
      const item = itemsOf(roster).find(({ attrs }) => attrs.jid === address);
      const toContact = sight.toContacts.filter(({ attrs }) => attrs.to === address).map(kindOf);
      const toUser = sight.toUser.filter(({ attrs }) => attrs.from === address).map(kindOf);
      const [way] = row.step;
      return [
        row,
        {
          passed: way === 'out' ? toContact : toUser,
          answered: way === 'out' ? [] : toContact,
          next: `${shown(item)}${asked.has(address) ? ' + in' : ''}` as State,
          pushed: shownIfAny(sight.pushes.findLast(({ attrs }) => attrs.jid === address)),
        },
      ];
    }),
  );
}

/** What was seen on the wire. */
interface Sight {
  readonly toContacts: Element[];
  readonly toUser: Element[];
  /** Items of roster pushes. */
  readonly pushes: Element[];
}

/** The user and the contacts, and what each has seen. */
class Stage {
  readonly #user: SmClient;
  readonly #contacts: RawComponent;
  #sight: Sight = { toContacts: [], toUser: [], pushes: [] };
  #acts = 0;

  constructor(user: SmClient, contacts: RawComponent) {
    this.#user = user;
    this.#contacts = contacts;
    contacts.stanzas.consume((stanza) => {
      if (isSubscription(stanza)) this.#sight.toContacts.push(stanza);
    });
    user.presences.consume((stanza) => {
      if (isSubscription(stanza)) this.#sight.toUser.push(stanza);
    });
    user.iqs.consume((iq) => this.#sight.pushes.push(...itemsOf(iq)));
  }

  /** What was seen so far; from now on it is seen anew. */
  forget(): Sight {
    const sight = this.#sight;
    this.#sight = { toContacts: [], toUser: [], pushes: [] };
    return sight;
  }

  /** Sends these and waits until both sides have seen everything that comes of it. */
  async act(stanzas: readonly { contact: string; step: Step | undefined }[]): Promise<void> {
    for (const { contact, step } of stanzas) {
      if (step?.[0] === 'out') void this.#user.send(xml('presence', { to: contact, type: step[1] }));
      else if (step) this.#contacts.send(xml('presence', { from: contact, to: this.#user.address, type: step[1] }));
    }
    await this.#fenceOut();
    await this.#fenceIn();
    await this.#fenceOut(); // what the server answered by itself
  }

  async #fenceOut(): Promise<void> {
    const ping = xml('iq', { type: 'get', to: this.#contacts.domain }, xml('ping', { xmlns: 'urn:xmpp:ping' }));
    const answer = await this.#user.request(ping);
    if (answer.attrs.type !== 'result') throw new Error(`the contacts' domain does not answer: ${answer}`);
  }

  async #fenceIn(): Promise<void> {
    this.#acts += 1;
    const body = `fence ${this.#acts}`;
    const attrs = { from: `fence@${this.#contacts.domain}`, to: this.#user.jid, type: 'chat' };
    this.#contacts.send(xml('message', attrs, xml('body', {}, body)));
    await this.#user.messages.next((message) => message.getChildText('body') === body);
  }
}

function isSubscription({ name, attrs }: Element): boolean {
  return name === 'presence' && subscriptionKinds.includes(attrs.type ?? '');
}

function kindOf({ attrs }: Element): string {
  return attrs.type ?? '';
}

function itemsOf(iq: Element): Element[] {
  return iq.getChild('query', rosterNs)?.getChildren('item') ?? [];
}

/** What a roster shows of a state: all but the contact's own request. */
export function shown(item: Element | undefined): string {
  const { subscription = 'none', ask } = item?.attrs ?? {};
  return `${subscription}${ask === 'subscribe' ? ' + out' : ''}`;
}

function shownIfAny(item: Element | undefined): string | undefined {
  return item && shown(item);
}
