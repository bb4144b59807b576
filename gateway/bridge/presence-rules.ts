import { type Address, wireBare } from '../../policies/address.ts';
import { judge, presenceVisibility, type Question, type Show, type Verdict } from '../../policies/judge.ts';
import type { PolicySet } from '../../policies/set.ts';
import type { Contacts } from './contacts.ts';
import type { Crossing, Outcome } from './crossing.ts';
import { hideAddresses, reduce } from './presence-view.ts';
import { presence } from './reply.ts';
import { ShownPresence } from './shown-presence.ts';
import type { Stanza } from './stanza.ts';

const HIDDEN: Verdict = Object.freeze({ verdict: 'refuse', reason: 'presence-hidden', rule: undefined });

/**
 * What presence does at the border: shown as far as policy says, per recipient, in every form it takes. Of a hidden
 * user nothing crosses: no presence, no probe, no answer to a request and no error, as if there were no such user
 * (RFC 6121 §3.1.3, §4.3.2, §8.5.1).
 */
export class PresenceRules {
  readonly #contacts: Contacts;
  readonly #read: (address: string) => Address | undefined;
  readonly #isHome: (domain: string) => boolean;
  readonly #shown = new ShownPresence();

  constructor(contacts: Contacts, read: (address: string) => Address | undefined, isHome: (domain: string) => boolean) {
    this.#contacts = contacts;
    this.#read = read;
    this.#isHome = isHome;
  }

  judge(crossing: Crossing): Outcome {
    const outcome = crossing.direction === 'inbound' ? this.#inbound(crossing) : this.#outbound(crossing);
    if ('pass' in outcome) this.#remember(crossing);
    return outcome;
  }

  /** A presence error names a user too: that of a hidden one stays here. */
  judgeError({ policy, local, direction, stanza }: Crossing): Outcome {
    const { show, rule } = presenceVisibility(policy, local);
    if (show === undefined || (direction === 'outbound' && show === 'nothing')) {
      return { refuse: { ...HIDDEN, rule }, answer: 'nothing' };
    }
    return { pass: stanza };
  }

  /** Presences that a new policy shows no longer, each taken back by `unavailable`. */
  *retract(policies: PolicySet): Generator<{ partner: string; stanza: Stanza }> {
    const hidden = (partner: string, from: string): boolean => {
      const local = this.#read(from);
      const show = local && presenceVisibility(policies.partnerOf(partner), local).show;
      return show === undefined || show === 'nothing';
    };
    for (const { partner, from, to } of this.#shown.retract(hidden)) {
      yield { partner, stanza: presence(from, to, 'unavailable') };
    }
  }

  /** A stanza of ours without the addresses, told by a room, of users whom the partner may not see. */
  hideOccupants(crossing: Crossing, stanza: Stanza): Stanza {
    return hideAddresses(stanza, (address) => this.#hides(crossing, address));
  }

  #inbound(crossing: Crossing): Outcome {
    const { role, stanza, policy, local, remote } = crossing;
    if (role === 'probe') {
      const { show, rule } = presenceVisibility(policy, local);
      if (show !== undefined && show !== 'nothing') return { pass: stanza };
      // RFC 6121 §4.3.2: the same answer for who does not exist and for who does not want to be seen.
      return { refuse: { ...HIDDEN, rule }, answer: unsubscribed(local, remote) };
    }
    const asks = role === 'subscription-request';
    // Withdrawing, and answering our own user's request, shows the partner nothing.
    const withdraws = asks && stanza.type === 'unsubscribe';
    // Some servers take any presence to an occupant's address for a join, as XEP-0045 once did (§7.2.1).
    const joins = role === 'join' || (stanza.type === '' && local.resource !== '');
    const kind = asks && !withdraws ? 'subscription' : joins ? 'join' : 'presence';
    const verdict = judge(policy, this.#question(crossing, kind));
    if (verdict.verdict === 'refuse') {
      if (asks && !withdraws) return { refuse: verdict, answer: unsubscribed(local, remote) };
      // To a user who is not there presence goes unanswered (RFC 6121 §8.5.1); so it does to one who is hidden.
      const answer = withdraws || verdict.reason === 'presence-hidden' ? 'nothing' : 'error';
      return { refuse: verdict, answer };
    }
    if (asks && !withdraws && !this.#contacts.admits(policy.name, local.bare, remote.bare, policy.limits.contacts)) {
      const rule = policy.limits.rules.contacts;
      return { refuse: { verdict: 'refuse', reason: 'contacts-full', rule }, answer: 'error' };
    }
    return { pass: stanza };
  }

  #outbound(crossing: Crossing): Outcome {
    const { role, stanza, policy, local, remote } = crossing;
    const { show, rule } = presenceVisibility(policy, local);
    switch (role) {
      case 'subscription-request': {
        const verdict = judge(policy, this.#question(crossing, 'subscription'));
        if (stanza.type === 'unsubscribe') {
          // The user's own act, and it takes back: a hidden user may do that too.
          return show === undefined ? { refuse: verdict, answer: 'nothing' } : { pass: reduced(stanza, show) };
        }
        // As a denial: it ends the request in the user's roster, where an error would leave it to be repeated.
        if (verdict.verdict === 'refuse') return { refuse: verdict, answer: unsubscribed(remote, local) };
        if (this.#contacts.admits(policy.name, local.bare, remote.bare, policy.limits.contacts)) {
          return { pass: reduced(stanza, show) };
        }
        const limit = policy.limits.rules.contacts;
        return { refuse: { verdict: 'refuse', reason: 'contacts-full', rule: limit }, answer: 'error' };
      }
      case 'probe':
      case 'subscription-answer':
        // A server probes by itself when its user comes on line: that alone would tell.
        if (show === undefined || show === 'nothing') return { refuse: { ...HIDDEN, rule }, answer: 'nothing' };
        return { pass: reduced(stanza, show) };
      default: {
        const verdict = judge(policy, this.#question(crossing, role === 'join' ? 'join' : 'presence'));
        if (verdict.verdict === 'refuse') return { refuse: verdict, answer: role === 'join' ? 'error' : 'nothing' };
        return { pass: this.hideOccupants(crossing, reduced(stanza, verdict.show)) };
      }
    }
  }

  #question({ direction, via, local, remote, now }: Crossing, kind: Question['kind']): Question {
    return { kind, direction, via, local, remote, at: now };
  }

  /** Whether a real address in a room's presence is of a local user whom this partner may not see. */
  #hides({ policy }: Crossing, address: string): boolean {
    const occupant = this.#read(address);
    if (occupant === undefined) return true;
    if (!this.#isHome(occupant.domain)) return false;
    const { show } = presenceVisibility(policy, occupant);
    return show === undefined || show === 'nothing';
  }

  #remember({ direction, role, stanza, policy, partnerDomain, local, remote }: Crossing): void {
    const { type } = stanza;
    const { name, limits } = policy;
    if (role === 'presence' || role === 'join') {
      const outbound = direction === 'outbound';
      if (outbound) this.#shown.told(partnerDomain, stanza.from, stanza.to, type === '');
      // Presence to a full address is directed: it makes no contact (RFC 6121 §4.6).
      const to = outbound ? remote : local;
      if (type !== '' || role === 'join' || to.resource !== '') return;
    }
    this.#contacts.crossed(name, local.bare, remote.bare, direction, type, limits.contacts);
  }
}

/** RFC 6121 §3.1.3, §4.3.2: what is said for a user who does not exist, or will not be seen. */
function unsubscribed(from: Address, to: Address): Stanza {
  return presence(wireBare(from), wireBare(to), 'unsubscribed');
}

function reduced(stanza: Stanza, show: Show | undefined): Stanza {
  if (show === 'full' || show === undefined) return stanza;
  return reduce(stanza, show === 'status' ? 'status' : 'availability');
}
