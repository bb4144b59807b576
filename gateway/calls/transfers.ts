import { refuse } from '../../policies/verdict.ts';
import type { Journal } from '../bridge/journal.ts';
import type { Answer, ExtraHeaders, InRequest, Reply, Session } from '../sip/port.ts';
import { refusalAnswer } from './answers.ts';
import type { CallClock } from './clock.ts';
import { publicUri, uriIn } from './parties.ts';
import type { CallRouting, Route } from './routing.ts';
import type { Talk } from './talk.ts';

export interface TransferOptions {
  readonly routing: CallRouting;
  readonly journal: Journal;
  readonly clock: CallClock;
  /** How long the new target may ring, ms. */
  readonly ringMs: number;
  /** Whether a leg over this route keeps what `sips:` promises. */
  readonly secure: (route: Route) => boolean;
}

/** Transfers by REFER (RFC 3515): refused unless the policy lets the partner transfer, and its new target be called. */
export class Transfers {
  readonly #options: TransferOptions;
  /** Calls that were transferred, or are being: one transfer a call. */
  readonly #used = new WeakSet<Session>();

  constructor(options: TransferOptions) {
    this.#options = options;
  }

  async answer(request: InRequest, talk: Talk): Promise<Answer> {
    const target = targetOf(request);
    if (target === undefined) return { status: 400 };
    const { routing, journal } = this.#options;
    const { one, other, route } = talk;
    const [partnerSide, homeSide] = route.direction === 'inbound' ? [route.from, route.to] : [route.to, route.from];
    // The one that asks pays: it is judged as a call of its own.
    const payer = one.trunk.kind === 'partner' ? partnerSide : homeSide;
    const routed = routing.route({ kind: 'transfer', from: payer, target, trunk: one.trunk });
    const laundered = 'route' in routed && /^sips:/i.test(target) && !this.#options.secure(routed.route);
    if ('refused' in routed || laundered || this.#used.has(other)) {
      const denied = refuse(laundered ? 'sips-denied' : 'transfer-denied');
      const { reason, rule } = 'refused' in routed ? routed.refused : denied;
      journal.refuse('call-refused', reason, { partner: route.partner.name, rule, kind: 'transfer', to: target });
      return refusalAnswer(reason);
    }
    this.#used.add(other);
    this.#used.add(one);
    void this.#transfer(routed.route, talk, request.headers.get('Refer-Sub') !== 'false');
    return { status: 202 };
  }

  /** Calls the new target, and puts it in the place of the one that asked (RFC 3725 §4.1, flow I). */
  async #transfer({ out, target, to, partner }: Route, talk: Talk, tells: boolean): Promise<void> {
    const { clock, ringMs, journal } = this.#options;
    const { one, other, replace } = talk;
    const tell = async (status: string, over: boolean): Promise<void> => {
      if (tells) await one.request('NOTIFY', { headers: referEvent(over), body: sipfrag(status) });
    };
    const abort = new AbortController();
    const stop = clock.after(ringMs, () => abort.abort());
    void other.ended.then(() => abort.abort());
    await tell('100 Trying', false);
    const transferee = { ...other.remote, uri: publicUri(other.remote.uri, other.trunk.domain) };
    const result = await out.invite({ target, from: transferee, to, signal: abort.signal }).result;
    stop();
    if (!result.ok) return tell(`${result.reply.status} ${result.reply.reason}`, true);
    const modified = await other.modify(result.sdp);
    if ('reply' in modified) {
      await result.session.end();
      return tell(failed(modified.reply), true);
    }
    result.ack?.(modified.sdp);
    journal.note('call-transferred', { partner: partner.name, to: target });
    // First of all, for whoever asked may hang up as soon as it hears of it.
    replace(result.session);
    await tell('200 OK', true);
    await one.end();
  }
}

/** Where to; undefined for what is more than a plain target, such as a call to be taken over (RFC 3891). */
function targetOf({ headers }: InRequest): string | undefined {
  const [value, ...more] = headers.all('Refer-To');
  if (value === undefined || more.length > 0) return undefined;
  const rest = value.slice(value.indexOf('>') + 1).trimStart();
  if (value.includes('<') && rest !== '' && !rest.startsWith(';')) return undefined; // two in one (RFC 3515 §2.4.2)
  const uri = uriIn(value);
  return /^sips?:/i.test(uri) && !uri.includes('?') && !/;method=/i.test(uri) ? uri : undefined;
}

function referEvent(over: boolean): ExtraHeaders {
  return [
    ['Event', 'refer'],
    ['Subscription-State', over ? 'terminated;reason=noresource' : 'active;expires=180'],
  ];
}

function sipfrag(status: string): { type: string; content: Buffer } {
  return { type: 'message/sipfrag;version=2.0', content: Buffer.from(`SIP/2.0 ${status}\r\n`) };
}

function failed({ status, reason }: Reply): string {
  return `${status} ${reason}`;
}
