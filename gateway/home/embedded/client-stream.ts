import { foldDomain, parseAddress, wireDomain } from '../../../policies/address.ts';
import { Fault } from '../../../policies/fault.ts';
import type { Journal, JournalFields } from '../../bridge/journal.ts';
import type { StanzaName } from '../../bridge/stanza.ts';
import { newStreamId } from '../../xmpp/edge-context.ts';
import { offer } from '../../xmpp/features.ts';
import { ns } from '../../xmpp/namespaces.ts';
import type { ScannedElement } from '../../xmpp/start-tag.ts';
import { StreamFault } from '../../xmpp/stream-error.ts';
import { escapeAttribute } from '../../xmpp/xml.ts';
import type { Accounts } from './accounts.ts';
import { ClientManagement, type ManagedStream } from './client-management.ts';
import { clientNs } from './client-namespaces.ts';
import { ClientSasl, type SignedIn } from './client-sasl.ts';
import type { ClientSession } from './client-session.ts';
import type { ClientSessions } from './client-sessions.ts';
import type { ClientTransport, ClientTransportEvents, Opening } from './client-transport.ts';
import type { LockOut } from './lock-out.ts';
import { readdress } from './readdress.ts';
import { bindRefusal, boundAnswer, isBindRequest, readBindRequest } from './resource-binding.ts';

/** What every client's stream leans on. Times in ms, sizes in bytes. */
export interface ClientStreamContext {
  readonly accounts: Accounts;
  readonly lockOut: LockOut;
  readonly sessions: ClientSessions;
  readonly journal: Journal;
  isHome(domain: string): boolean;
  /** Whether nobody signs in in clear. */
  readonly tlsRequired: boolean;
  readonly authTimeoutMs: number;
  /** Silence after which a client is asked whether it lives. */
  readonly idleMs: number;
  readonly resumptionMs: number;
  readonly stanzaBytes: number;
  /** Further stream features of a signed-in client, as XML. */
  readonly features: readonly string[];
  whenKept(then: () => void): void;
  opened(session: ClientSession): void;
  now(): number;
}

/** Openings of one stream: in clear, behind TLS, behind SASL, and one to spare. */
const OPENINGS = 4;
/** Tries of a client to bind a resource. */
const BINDS = 5;
/** Bytes of stanzas taken of a client and not known to be kept, past which it is read no further until they are. */
const UNKEPT_BYTES = 256 * 1024;
/** How long a client that was asked may stay silent, ms. */
const ANSWER_MS = 60_000;
const PING = 'drawbridge-ping-';

/**
 * One client's stream, over whatever carries it: TLS, SASL, then a resource that is bound or a session that is resumed
 * (RFC 6120 §4–7, XEP-0198), then stanzas. Nothing but the negotiation is read before.
 */
export class ClientStream implements ManagedStream {
  user: SignedIn | undefined;
  session: ClientSession | undefined;
  readonly #context: ClientStreamContext;
  readonly #transport: ClientTransport;
  readonly #management: ClientManagement;
  readonly #deadline: NodeJS.Timeout;
  readonly #closed: (stream: ClientStream) => void;
  #sasl: ClientSasl | undefined;
  #domain = '';
  #openings = 0;
  #refusedBinds = 0;
  #opened = false;
  /** Bytes of stanzas taken since it was last known that all is kept, and whether that is waited for. */
  #unkept = 0;
  #keeping = false;
  #probedAt = 0;
  #halted = false;

  /** `carry` makes what carries the stream, for it to report to these events. */
  constructor(
    context: ClientStreamContext,
    carry: (events: ClientTransportEvents) => ClientTransport,
    closed: (stream: ClientStream) => void,
  ) {
    this.#context = context;
    this.#closed = closed;
    this.#transport = carry({
      opening: (opening) => this.#opening(opening),
      element: (element) => this.#element(element),
      drain: () => this.#drained(),
      closed: (fault) => this.#over(fault),
    });
    this.#management = new ClientManagement(this, context);
    this.#deadline = setTimeout(() => {
      this.fail(new StreamFault('connection-timeout', 'stream-timeout', 'Not signed in in time.'));
    }, context.authTimeoutMs);
  }

  get full(): boolean {
    return this.#transport.full;
  }

  stanza(bytes: Buffer): void {
    this.#transport.stanza(bytes);
  }

  ask(): void {
    this.#transport.send(`<r xmlns='${ns.sm}'/>`);
  }

  send(xml: string): void {
    this.#transport.send(xml);
  }

  reply(xml: string): void {
    this.#transport.reply(xml);
  }

  release(): void {
    this.session = undefined;
  }

  resumed(session: ClientSession): void {
    this.#signedInAs(session);
  }

  /** Who does not read what it is answered is not read either. */
  regulate(): void {
    const halted = this.session?.held === true || this.#keeping || this.#transport.full;
    if (halted === this.#halted) return;
    this.#halted = halted;
    if (halted) this.#transport.pause();
    else this.#transport.resume();
  }

  fail(fault: StreamFault): void {
    this.#transport.fail(fault);
  }

  close(fault: Fault): void {
    this.#transport.close(fault);
  }

  destroy(fault: Fault): void {
    this.#transport.destroy(fault);
  }

  /** Probes a silent client and drops a dead one; to be called now and then. */
  lookOver(now: number): void {
    const { lastRead, open } = this.#transport;
    if (this.session === undefined || this.session.held || !open || now - lastRead <= this.#context.idleMs) return;
    if (this.#probedAt <= lastRead) this.#probe(now);
    else if (now - this.#probedAt > ANSWER_MS) {
      this.destroy(new Fault('stream-idle', 'The client answers no probe.'));
    }
  }

  #opening({ to, from, version }: Opening): void {
    if (++this.#openings > OPENINGS) {
      throw new StreamFault('policy-violation', 'stream-protocol', 'Too many stream restarts.');
    }
    if (this.#opened) throw new StreamFault('bad-format', 'stream-protocol', 'The stream is open already.');
    this.#opened = true;
    const domain = foldDomain(to);
    const answer = { from: to, to: from, id: newStreamId() };
    this.#transport.prepare(answer);
    if (domain === undefined || !this.#context.isHome(domain)) throw new StreamFault('host-unknown', 'domain-not-home');
    if (this.user !== undefined && domain !== this.user.domain) {
      throw new StreamFault('host-unknown', 'stream-protocol', 'Another domain than the one signed in to.');
    }
    if (version === '') throw new StreamFault('unsupported-version', 'stream-protocol', 'A stream without version.');
    this.#domain = domain;
    this.#transport.answer(answer);
    this.#transport.features(this.#offers());
  }

  #offers(): string[] {
    const { tlsRequired, stanzaBytes, idleMs, features } = this.#context;
    const limits = offer.limits(stanzaBytes, idleMs);
    if (this.user !== undefined) {
      const bind = `<bind xmlns='${clientNs.bind}'/>`;
      const session = `<session xmlns='${clientNs.session}'><optional/></session>`;
      return [bind, session, `<sm xmlns='${ns.sm}'/>`, ...features, limits];
    }
    const { secured, canStartTls } = this.#transport;
    const starttls = canStartTls ? [offer.starttls(tlsRequired)] : [];
    if (!secured && tlsRequired) return [...starttls, limits];
    this.#sasl = this.#newSasl();
    return [...starttls, this.#sasl.offer, limits];
  }

  #newSasl(): ClientSasl {
    const { accounts, lockOut, journal, now } = this.#context;
    return new ClientSasl({
      accounts,
      lockOut,
      domain: this.#domain,
      address: this.#transport.address,
      bindings: this.#transport.bindings,
      now,
      send: (xml) => this.#transport.send(xml),
      succeeded: (user) => this.#authenticated(user),
      failed: ({ code, message }, account) =>
        journal.refuse('stream-refused', code, { ...this.#facts(), account, detail: message }),
    });
  }

  #authenticated(user: SignedIn): void {
    this.user = user;
    this.#sasl = undefined;
    this.#transport.trusted();
    this.#restart();
  }

  #restart(): void {
    this.#opened = false;
    this.#transport.restart();
  }

  #element(element: ScannedElement): void {
    const { namespace, name } = element;
    if (!this.#opened) throw new StreamFault('bad-format', 'stream-protocol', 'The stream is not open.');
    if (namespace === clientNs.client) {
      if (this.session === undefined) this.#bind(element);
      else this.#stanza(element, this.session);
    } else if (namespace === ns.sm) {
      if (this.session === undefined) this.#requireCurrent();
      this.#management.element(element);
    } else if (namespace === ns.sasl && this.#sasl !== undefined) this.#sasl.element(element);
    else if (namespace === ns.tls && name === 'starttls') this.#startTls();
    else throw new StreamFault('unsupported-stanza-type', 'stream-protocol', `Unexpected <${name}/>.`);
  }

  /** Who has signed in may take its time: what has become of its account by now, counts. */
  #requireCurrent(): void {
    if (this.user === undefined) return;
    const { local, domain, changed } = this.user;
    if (this.#context.accounts.changed(local, domain) === changed) return;
    throw new StreamFault('not-authorized', 'account-changed');
  }

  #startTls(): void {
    if (!this.#transport.canStartTls || this.user !== undefined) {
      throw new StreamFault('policy-violation', 'stream-protocol', 'TLS is already there, or cannot be.');
    }
    this.#sasl = undefined;
    this.#opened = false;
    this.#transport.startTls(this.#domain);
  }

  /** RFC 6120 §7. */
  #bind(element: ScannedElement): void {
    if (this.user === undefined || !isBindRequest(element)) {
      throw new StreamFault(
        'not-authorized',
        'stanza-before-proof',
        `A <${element.name}/> before a resource is bound.`,
      );
    }
    this.#requireCurrent();
    const { id } = element;
    const wanted = readBindRequest(element);
    const session = wanted === undefined ? undefined : this.#context.sessions.bind(this.user, wanted);
    if (wanted === undefined) this.#refuseBind(bindRefusal(id, 'modify', 'bad-request'));
    else if (session === undefined) this.#refuseBind(bindRefusal(id, 'wait', 'resource-constraint'));
    else {
      this.#transport.stanza(boundAnswer(id, session.jid));
      this.#signedInAs(session);
      session.attach(this);
      this.#context.opened(session);
    }
  }

  /** No queue bounds these answers yet. */
  #refuseBind(refusal: Buffer): void {
    this.#transport.stanza(refusal);
    if (++this.#refusedBinds < BINDS) return;
    throw new StreamFault('policy-violation', 'stream-protocol', 'Too many resources that cannot be bound.');
  }

  #signedInAs(session: ClientSession): void {
    this.session = session;
    clearTimeout(this.#deadline);
    this.regulate();
    this.#context.journal.note('stream-proven', this.#facts());
  }

  #stanza(element: ScannedElement, session: ClientSession): void {
    const { name, from, id, type } = element;
    if (name !== 'message' && name !== 'presence' && name !== 'iq') {
      throw new StreamFault('unsupported-stanza-type', 'stanza-malformed', `<${name}/> is no stanza.`);
    }
    if (from !== '' && !isOwn(from, session)) {
      throw new StreamFault('invalid-from', 'sender-not-proven', `A stanza came from ${from}.`);
    }
    if (name === 'iq' && id.startsWith(PING) && (type === 'result' || type === 'error')) {
      session.count();
      return;
    }
    const stanza = { ...element, name: name as StanzaName };
    session.take(readdress(stanza, { from: session.jid }));
    this.#unkept += element.bytes.length;
    if (this.#unkept > UNKEPT_BYTES && !this.#keeping) this.#awaitKeeping();
    this.regulate();
  }

  /** What is taken waits in memory until it is kept, and a disk may be slow. */
  #awaitKeeping(): void {
    this.#keeping = true;
    this.#context.whenKept(() => {
      this.#keeping = false;
      this.#unkept = 0;
      this.regulate();
    });
  }

  #drained(): void {
    this.regulate();
    this.session?.queue.pump();
  }

  #probe(now: number): void {
    this.#probedAt = now;
    if (this.session?.managed) {
      this.ask();
      return;
    }
    const [from, to] = [wireDomain(this.#domain), this.session?.jid ?? ''].map(escapeAttribute);
    const id = `${PING}${newStreamId()}`;
    const ping = `<iq type='get' id='${id}' from='${from}' to='${to}'><ping xmlns='${ns.ping}'/></iq>`;
    this.#transport.stanza(Buffer.from(ping));
  }

  #facts(): JournalFields {
    const { address, kind } = this.#transport;
    return { address, home: this.#domain, account: this.session?.jid, direction: 'client', over: kind };
  }

  #over(fault: Fault | undefined): void {
    clearTimeout(this.#deadline);
    const { journal, sessions } = this.#context;
    const facts = { ...this.#facts(), detail: fault?.message };
    if (fault && (this.user === undefined || fault instanceof StreamFault)) {
      const condition = fault instanceof StreamFault ? fault.condition : undefined;
      journal.refuse('stream-refused', fault.code, { ...facts, condition });
    } else journal.note('stream-closed', { ...facts, reason: fault?.code });
    if (this.session !== undefined) sessions.lost(this.session, fault);
    this.#closed(this);
  }
}

/** RFC 6120 §8.1.2.1: a client may name itself, by its bare or full JID. */
function isOwn(from: string, { address }: ClientSession): boolean {
  const named = parseAddress(from);
  if (named?.local !== address.local || named.domain !== address.domain) return false;
  return named.resource === '' || named.resource === address.resource;
}
