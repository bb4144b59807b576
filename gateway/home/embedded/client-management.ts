import { ns } from '../../xmpp/namespaces.ts';
import type { ScannedElement } from '../../xmpp/start-tag.ts';
import { StreamFault } from '../../xmpp/stream-error.ts';
import { escapeAttribute } from '../../xmpp/xml.ts';
import type { SignedIn } from './client-sasl.ts';
import type { ClientSession, SessionStream } from './client-session.ts';
import type { ClientSessions } from './client-sessions.ts';

/** The stream of a client, as stream management sees it. */
export interface ManagedStream extends SessionStream {
  /** Who has signed in, undefined before. */
  readonly user: SignedIn | undefined;
  /** What is bound or resumed on it. */
  readonly session: ClientSession | undefined;
  send(xml: string): void;
  /** Answers what a client may ask without end. */
  reply(xml: string): void;
  /** It carries this session now. */
  resumed(session: ClientSession): void;
}

export interface ManagementOptions {
  readonly sessions: ClientSessions;
  /** How long a broken session may be resumed, ms. */
  readonly resumptionMs: number;
  whenKept(then: () => void): void;
}

/** `h` is an unsigned 32-bit number that wraps, XEP-0198 §4. */
const LAPS = 2 ** 32;

/** XEP-0198 on one client's stream: acknowledgements both ways, and resumption. */
export class ClientManagement {
  readonly #stream: ManagedStream;
  readonly #options: ManagementOptions;

  constructor(stream: ManagedStream, options: ManagementOptions) {
    this.#stream = stream;
    this.#options = options;
  }

  /** Takes one element of its namespace. Throws {@link StreamFault} where the client confirms what it never got. */
  element({ name, bytes }: ScannedElement): void {
    const { session } = this.#stream;
    const text = bytes.toString();
    if (name === 'enable') this.#enable(text, session);
    else if (name === 'resume') this.#resume(text);
    else if (session?.managed && name === 'r') this.#answer(session);
    else if (session?.managed && name === 'a') this.#acknowledged(text, session);
    else throw new StreamFault('unsupported-stanza-type', 'stream-protocol', `Unexpected <${name}/>.`);
  }

  #enable(text: string, session: ClientSession | undefined): void {
    if (session === undefined || session.managed) {
      this.#failed('unexpected-request');
      return;
    }
    const resumable = /^(?:true|1)$/.test(attribute(text, 'resume'));
    const seconds = Math.floor(this.#options.resumptionMs / 1000);
    const resumption = resumable ? ` id='${session.id}' resume='true' max='${seconds}'` : '';
    session.manage(resumable, () => this.#stream.send(`<enabled xmlns='${ns.sm}'${resumption}/>`));
  }

  #resume(text: string): void {
    const { user } = this.#stream;
    const id = attribute(text, 'previd');
    const h = readCount(attribute(text, 'h'));
    if (user === undefined || this.#stream.session !== undefined) this.#failed('unexpected-request');
    else if (h === undefined || id === '') this.#failed('bad-request');
    else {
      const session = this.#options.sessions.resumable(user, id);
      if (session === undefined) {
        this.#failed('item-not-found', this.#options.sessions.handledBy(user, id));
        return;
      }
      const resumed = `<resumed xmlns='${ns.sm}' previd='${escapeAttribute(id)}' h='${session.handled % LAPS}'/>`;
      if (!session.rejoin(this.#stream, h, () => this.#stream.send(resumed))) throw tooHigh(h, session.queue.sent);
      this.#stream.resumed(session);
    }
  }

  /** What is told of is kept: a client forgets what was acknowledged. */
  #answer({ handled }: ClientSession): void {
    this.#options.whenKept(() => this.#stream.reply(`<a xmlns='${ns.sm}' h='${handled % LAPS}'/>`));
  }

  #acknowledged(text: string, session: ClientSession): void {
    const h = readCount(attribute(text, 'h'));
    if (h === undefined)
      throw new StreamFault('invalid-xml', 'stream-protocol', 'An acknowledgement without a number.');
    if (!session.confirm(h)) throw tooHigh(h, session.queue.sent);
  }

  /** A count acknowledges, also in a refusal: what it counts is kept first. */
  #failed(condition: string, handled?: number): void {
    const h = handled === undefined ? '' : ` h='${handled % LAPS}'`;
    const failed = `<failed xmlns='${ns.sm}'${h}><${condition} xmlns='${ns.stanzaErrors}'/></failed>`;
    const say = (): void => this.#stream.reply(failed);
    if (handled === undefined) say();
    else this.#options.whenKept(say);
  }
}

/** XEP-0198 §4. */
function tooHigh(h: number, sent: number): StreamFault {
  return new StreamFault(
    'undefined-condition',
    'stream-protocol',
    `The client confirms ${h} stanzas and was sent ${sent}.`,
    `<handled-count-too-high xmlns='${ns.sm}' h='${h}' send-count='${sent % LAPS}'/>`,
  );
}

function attribute(text: string, name: string): string {
  return new RegExp(`\\s${name}\\s*=\\s*['"]([^'"]*)['"]`).exec(text)?.[1] ?? '';
}

function readCount(text: string): number | undefined {
  const count = Number(text);
  return /^\d{1,10}$/.test(text) && count < LAPS ? count : undefined;
}
