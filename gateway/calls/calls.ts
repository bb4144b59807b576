import { refuse, type Verdict } from '../../policies/verdict.ts';
import type { Journal } from '../bridge/journal.ts';
import type { ExtraHeaders, InCall, Reply } from '../sip/port.ts';
import { refusalAnswer } from './answers.ts';
import { Call } from './call.ts';
import type { CallLimits, Reservation } from './call-limits.ts';
import type { CallClock } from './clock.ts';
import { InDialog } from './in-dialog.ts';
import { uriIn } from './parties.ts';
import type { CallRouting, Route } from './routing.ts';
import { Transfers } from './transfers.ts';

export interface CallsOptions {
  readonly routing: CallRouting;
  readonly limits: CallLimits;
  readonly journal: Journal;
  readonly clock: CallClock;
  /** How long a call may ring, ms. */
  readonly ringMs: number;
  /** Whether a leg to this target over this trunk keeps what `sips:` promises; where not, such calls are refused. */
  readonly secure: (route: Route) => boolean;
}

const NO_LONGER = 'SIP;cause=403;text="No longer allowed"';
const SIPS_DENIED = refuse('sips-denied');
/** RFC 5630 §5: nobody downgrades `sips:`. */
const SIPS_WARNING = ['Warning', '380 drawbridge "SIPS Not Allowed"'] as const;

/** Calls between partners and the home PBX: judged before anything rings, then carried as two legs. */
export class Calls {
  readonly #options: CallsOptions;
  readonly #inDialog: InDialog;
  readonly #calls = new Set<Call>();
  readonly #running = new Set<Promise<void>>();
  #closed = false;

  constructor(options: CallsOptions) {
    this.#options = options;
    this.#inDialog = new InDialog(new Transfers(options));
  }

  /** Calls that are set up or being set up; for metrics. */
  get size(): number {
    return this.#calls.size;
  }

  /** Takes a call that came in; answers it one way or the other. */
  take(incoming: InCall): void {
    const { routing, limits, secure } = this.#options;
    if (this.#closed || incoming.hops < 1) {
      incoming.refuse({ status: this.#closed ? 480 : 483 });
      return;
    }
    // One by one: a call of the stack answers by getters, which a spread leaves behind.
    const { from, target, trunk } = incoming;
    const routed = routing.route({ kind: 'call', from, target, trunk });
    if ('refused' in routed) {
      this.#refuse(incoming, routed.partner, routed.refused);
      return;
    }
    const { route } = routed;
    const user = route.direction === 'inbound' ? route.remote : route.local;
    const reservation = isSips(incoming) && !secure(route) ? SIPS_DENIED : limits.reserve(route.partner, user.bare);
    if ('verdict' in reservation) this.#refuse(incoming, route.partner.name, reservation);
    else this.#carry(incoming, route, reservation);
  }

  /** Other policies hold: calls of who is no partner any more, or may have none, end. Others go on as they began. */
  policiesChanged(): void {
    for (const call of this.#calls) {
      if (!this.#options.routing.stands(call.route)) void call.end(NO_LONGER);
    }
  }

  /** Hangs up on everybody. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#calls].map((call) => call.end()));
    await Promise.all(this.#running);
  }

  #refuse(incoming: InCall, partner: string, { reason, rule }: Verdict): void {
    this.#options.journal.refuse('call-refused', reason, { ...facts(incoming), partner, rule });
    const headers: ExtraHeaders = reason === 'sips-denied' ? [SIPS_WARNING] : [];
    incoming.refuse({ ...refusalAnswer(reason), headers });
  }

  #carry(incoming: InCall, route: Route, reservation: Reservation): void {
    const { journal, clock, ringMs } = this.#options;
    const call = new Call({
      incoming,
      route,
      reservation,
      journal,
      clock,
      ringMs,
      inDialog: this.#inDialog,
      redirected: (reply) => this.#redirect(incoming, route, reply),
      ended: this.#forget,
    });
    this.#calls.add(call);
    const running = call.run().finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  readonly #forget = (call: Call): void => {
    this.#calls.delete(call);
  };

  /** A redirection is followed where the policy says so, to a target that is judged as if it had been called. */
  #redirect(incoming: InCall, { partner, direction }: Route, reply: Reply): Route | undefined {
    const { routing, journal, secure } = this.#options;
    const contact = reply.headers.all('Contact')[0];
    const verdict = partner.calls?.redirect;
    const denied = (reason: 'redirect-denied' | 'address-malformed'): undefined => {
      journal.refuse('call-refused', reason, { ...facts(incoming), partner: partner.name, rule: verdict?.rule });
    };
    if (verdict?.verdict !== 'allow') return denied('redirect-denied');
    if (contact === undefined) return denied('address-malformed');
    const target = uriIn(contact);
    const routed = routing.route({ kind: 'call', from: incoming.from, target, trunk: incoming.trunk });
    if ('refused' in routed || (/^sips:/i.test(target) && !secure(routed.route))) return denied('redirect-denied');
    if (routed.route.partner === partner && routed.route.direction === direction) return routed.route;
    return denied('redirect-denied');
  }
}

function isSips({ target, to }: InCall): boolean {
  return /^sips:/i.test(target) || /^sips:/i.test(to.uri);
}

function facts({ from, target, trunk }: InCall): { from: string; to: string; trunk: string } {
  return { from: from.uri, to: target, trunk: trunk.id };
}
