import { parseAddress } from '../../policies/address.ts';
import { policyOf } from '../../policies/policy.fixture.ts';
import { PolicySet } from '../../policies/set.ts';
import type { JournalEvent, JournalFields } from '../bridge/journal.ts';
import type {
  Answer,
  CallResult,
  InCall,
  InRequest,
  Modified,
  ModifyAnswer,
  OutInvite,
  Progress,
  ReadHeaders,
  Reply,
  Ringing,
  Sdp,
  Session,
  SessionEnd,
  Trunk,
} from '../sip/port.ts';
import { CallLimits } from './call-limits.ts';
import { Calls } from './calls.ts';
import { CallRouting } from './routing.ts';

export const home = 'contoso.example';
export const partner = 'fabrikam.example';
/** A partner with the same policy and a trunk of its own, over which nobody comes. */
export const otherPartner = 'branch.fabrikam.example';

export class TestHeaders implements ReadHeaders {
  readonly #values: ReadonlyMap<string, readonly string[]>;

  constructor(values: Readonly<Record<string, string | readonly string[]>> = {}) {
    this.#values = new Map(Object.entries(values).map(([name, value]) => [name.toLowerCase(), [value].flat()]));
  }

  get(name: string): string | undefined {
    return this.all(name)[0];
  }

  all(name: string): readonly string[] {
    return this.#values.get(name.toLowerCase()) ?? [];
  }
}

export function reply(status: number, headers: Record<string, string> = {}): Reply {
  return { status, reason: `Status ${status}`, origin: 'peer', headers: new TestHeaders(headers) };
}

/** One side of an established call; what the gateway does to it is recorded, what the peer does is called. */
export class TestSession implements Session {
  readonly id = Math.random().toString(36);
  readonly trunk: Trunk;
  readonly remote: { uri: string };
  onModify: Session['onModify'];
  onRequest: Session['onRequest'];
  readonly offers: (Sdp | undefined)[] = [];
  readonly requests: { method: string; body: string }[] = [];
  modified: Modified = { sdp: 'answer to the change' };
  requested: Reply = reply(200);
  /** What the peer does as soon as it is asked, ahead of its answer. */
  onAsked: ((method: string, body: string) => void) | undefined;
  readonly #ended = Promise.withResolvers<SessionEnd>();
  readonly ended = this.#ended.promise;
  end_: SessionEnd | undefined;

  constructor(trunk: Trunk, uri: string) {
    this.trunk = trunk;
    this.remote = { uri };
  }

  async modify(offer: Sdp | undefined): Promise<Modified> {
    this.offers.push(offer);
    return this.modified;
  }

  async request(method: string, { body }: Parameters<Session['request']>[1]): Promise<Reply> {
    const text = body?.content.toString() ?? '';
    this.requests.push({ method, body: text });
    this.onAsked?.(method, text);
    return this.requested;
  }

  async end(reason?: string): Promise<void> {
    this.over({ by: 'us', reason });
  }

  /** The call is over on this side. */
  over(end: SessionEnd): void {
    this.end_ ??= end;
    this.#ended.resolve(this.end_);
  }

  /** What the peer asks for within the call. */
  async asks(method: string, headers: Record<string, string> = {}, body?: InRequest['body']): Promise<Answer> {
    const request = inRequest(this.trunk, { method, headers: new TestHeaders(headers), ...(body && { body }) });
    return (await this.onRequest?.(request)) ?? { status: 0 };
  }

  async changes(offer: Sdp | undefined): Promise<ModifyAnswer | undefined> {
    return this.onModify?.(offer, new AbortController().signal);
  }
}

/** A call of the gateway's, as the called side sees it. */
export class TestOutCall {
  readonly invite: OutInvite;
  onProgress: ((progress: Progress) => void) | undefined;
  readonly #result = Promise.withResolvers<CallResult>();
  readonly result = this.#result.promise;
  readonly session: TestSession;
  /** The answer in the ACK, where the 2xx had the offer. */
  acknowledged: Sdp | undefined;

  constructor(trunk: Trunk, invite: OutInvite) {
    this.invite = invite;
    this.session = new TestSession(trunk, invite.target);
    invite.signal?.addEventListener('abort', () => this.refuse(reply(487)));
  }

  rings(status: number, sdp?: Sdp, fork = 'one'): void {
    this.onProgress?.({ status, fork, headers: new TestHeaders(), ...(sdp === undefined ? {} : { sdp }) });
  }

  answers(sdp: Sdp): void {
    const late = this.invite.offer === undefined;
    const ack = (answer: Sdp): void => {
      this.acknowledged = answer;
    };
    this.#result.resolve({ ok: true, session: this.session, sdp, ...(late ? { ack } : {}) });
  }

  refuse(with_: Reply): void {
    this.#result.resolve({ ok: false, reply: with_ });
  }
}

export class TestTrunk implements Trunk {
  readonly id: string;
  readonly domain: string;
  readonly kind: 'partner' | 'home';
  readonly state = 'up';
  readonly calls: TestOutCall[] = [];
  #called = Promise.withResolvers<void>();

  constructor(kind: 'partner' | 'home', domain: string) {
    this.id = kind;
    this.kind = kind;
    this.domain = domain;
  }

  invite(invite: OutInvite): TestOutCall {
    const call = new TestOutCall(this, invite);
    this.calls.push(call);
    this.#called.resolve();
    this.#called = Promise.withResolvers();
    return call;
  }

  /** The call of this number, counted from 1. */
  async call(number: number): Promise<TestOutCall> {
    for (;;) {
      const call = this.calls[number - 1];
      if (call !== undefined) return call;
      await this.#called.promise;
    }
  }

  request(): Promise<Reply> {
    throw new Error('no request is expected');
  }

  subscribe(): Promise<never> {
    throw new Error('no subscription is expected');
  }
}

function inRequest(trunk: Trunk, given: Partial<InRequest>): InRequest {
  const party = { uri: '' };
  return {
    trunk,
    method: '',
    target: '',
    from: party,
    to: party,
    callId: '',
    hops: 70,
    headers: new TestHeaders(),
    ...given,
  };
}

/** A call that came in, as the calling side sees it. */
export class TestInCall {
  readonly rung: Ringing[] = [];
  readonly session: TestSession;
  readonly call: InCall;
  readonly #cancel = new AbortController();
  readonly #final = Promise.withResolvers<{ status: number; sdp?: Sdp; headers?: Answer['headers'] }>();
  /** What it was answered in the end. */
  readonly final = this.#final.promise;
  /** The answer that the ACK will carry where we made the offer. */
  ack: Sdp | Error = 'answer in the ACK';

  constructor(trunk: Trunk, from: string, target: string, more: Partial<InCall> = {}) {
    this.session = new TestSession(trunk, from);
    this.call = {
      ...inRequest(trunk, { method: 'INVITE', from: { uri: from }, to: { uri: target }, target }),
      offer: 'offer',
      cancelled: this.#cancel.signal,
      ring: (ringing) => this.rung.push(ringing),
      answer: (sdp) => this.#answered(sdp, this.session),
      answerWithOffer: (sdp) => this.#answered(sdp, { session: this.session, sdp: String(this.ack) }),
      refuse: ({ status, headers }) => this.#final.resolve({ status, ...(headers && { headers }) }),
      ...more,
    };
  }

  cancel(): void {
    this.#final.resolve({ status: 487 });
    this.#cancel.abort();
  }

  async #answered<T>(sdp: Sdp, outcome: T): Promise<T> {
    this.#final.resolve({ status: 200, sdp });
    if (this.ack instanceof Error) throw this.ack;
    return outcome;
  }
}

/** Calls between a partner and a PBX, with a clock that the test moves. */
export class TestExchange {
  readonly pbx = new TestTrunk('home', home);
  readonly trunk = new TestTrunk('partner', partner);
  readonly journal: { event: JournalEvent; fields: JournalFields }[] = [];
  readonly limits: CallLimits;
  readonly calls: Calls;
  readonly #timers = new Set<{ at: number; run: () => void }>();
  now = 1_000_000;
  policies: PolicySet;

  constructor(policy: string, { pbx = true, secure = false } = {}) {
    this.policies = policiesOf(policy);
    this.limits = new CallLimits(() => this.now);
    const routing = new CallRouting({
      homeDomains: new Set([home]),
      policies: () => this.policies,
      homeTrunk: () => (pbx ? this.pbx : undefined),
      trunkFor: (domain) => (domain === partner ? this.trunk : undefined),
      read: (uri, domain) =>
        parseAddress(
          uri.startsWith('tel:') ? `${uri.slice(4)}@${domain}` : uri.replace(/^sips?:/, '').replace(/[;:].*$/, ''),
        ),
      now: () => this.now,
    });
    const note = (event: JournalEvent, fields: JournalFields): number => this.journal.push({ event, fields });
    this.calls = new Calls({
      routing,
      limits: this.limits,
      journal: { note, refuse: (event, reason, fields) => note(event, { ...fields, reason }) },
      clock: {
        now: () => this.now,
        after: (ms, run) => {
          const timer = { at: this.now + ms, run };
          this.#timers.add(timer);
          return () => this.#timers.delete(timer);
        },
      },
      ringMs: 60_000,
      secure: () => secure,
    });
  }

  /** Timers that run. */
  get timers(): number {
    return this.#timers.size;
  }

  advance(ms: number): void {
    this.now += ms;
    for (const timer of [...this.#timers]) {
      if (timer.at > this.now) continue;
      this.#timers.delete(timer);
      timer.run();
    }
  }

  /** A call from the partner to us. */
  inward(from = `sip:bob@${partner}`, target = `sip:alice@${home}`, more: Partial<InCall> = {}): TestInCall {
    const incoming = new TestInCall(this.trunk, from, target, more);
    this.calls.take(incoming.call);
    return incoming;
  }

  /** A call from the PBX to the partner. */
  outward(from = `sip:alice@${home}`, target = `sip:bob@${partner}`, more: Partial<InCall> = {}): TestInCall {
    const incoming = new TestInCall(this.pbx, from, target, more);
    this.calls.take(incoming.call);
    return incoming;
  }

  reasons(): (string | undefined)[] {
    return this.journal.filter(({ event }) => event === 'call-refused').map(({ fields }) => fields.reason);
  }

  /** Lets everything happen that waits for nothing but its turn. */
  async settle(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Both partners with this policy. */
export function policiesOf(policy: string): PolicySet {
  return new PolicySet([partner, otherPartner].map((name) => policyOf(`partner: ${name}\nspeaks: sip\n${policy}`)));
}
