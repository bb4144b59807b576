import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { checkServerIdentity, createSecureContext, TLSSocket } from 'node:tls';
import { type Element, parse } from 'ltx';
import { Fault } from '../../policies/fault.ts';
import { channelBindings } from '../home/embedded/channel-binding.ts';
import { ScramClient } from '../home/embedded/scram-client.ts';
import { Inbox } from '../xmpp/inbox.ts';
import { ns } from '../xmpp/namespaces.ts';
import type { ScannedElement } from '../xmpp/start-tag.ts';
import { secureAsClient } from '../xmpp/tls.ts';
import { XmlStream } from '../xmpp/xml-stream.ts';
import { READ_LIMITS } from './read-limits.ts';

/** Where a user signs in, and as whom. */
export interface Account {
  readonly address: string;
  readonly port: number;
  readonly local: string;
  readonly domain: string;
  readonly password: string;
  /** PEM of the authority that must vouch for the server. */
  readonly authorityPem: string;
}

export interface ClientStreamEvents {
  /** Whatever comes once {@link ClientStream.deliver} was called. */
  element(element: ScannedElement): void;
  /** The stream is over; called once, behind {@link ClientStream.deliver}. */
  closed(): void;
}

/** A client's stream (RFC 6120): TCP, STARTTLS with the server's certificate verified, SCRAM. */
export class ClientStream {
  /** The SASL mechanism it signed in by. */
  mechanism = '';
  readonly #account: Account;
  readonly #events: ClientStreamEvents;
  readonly #xml: XmlStream;
  readonly #inbox = new Inbox();
  /** What came in one packet with the end of the negotiation; undefined once it goes to the events. */
  #early: ScannedElement[] | undefined = [];
  #established = false;
  #closed = false;

  /** Resolves, with what the server then offers, when the user has signed in. Rejects with a {@link Fault}. */
  static async open(
    account: Account,
    events: ClientStreamEvents,
    signal: AbortSignal,
  ): Promise<[ClientStream, Element]> {
    const socket = connect(account.port, account.address);
    try {
      await once(socket, 'connect', { signal });
    } catch (error) {
      socket.destroy();
      throw error;
    }
    const stream = new ClientStream(socket, account, events);
    const abort = (): void => stream.destroy();
    signal.addEventListener('abort', abort, { once: true });
    try {
      return [stream, await stream.#signIn()];
    } catch (error) {
      stream.destroy();
      throw error;
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }

  private constructor(socket: Socket, account: Account, events: ClientStreamEvents) {
    this.#account = account;
    this.#events = events;
    this.#xml = new XmlStream(
      socket,
      { contentNamespace: 'jabber:client', limits: READ_LIMITS },
      {
        header: (header) => this.#inbox.put(header),
        element: (element) => this.#element(element),
        drain: () => undefined,
        closed: (fault) => {
          this.#closed = true;
          this.#inbox.fail(fault ?? new Fault('stream-error', 'The server closed the stream.'));
          if (this.#early === undefined) events.closed();
        },
      },
    );
  }

  send(xml: string): void {
    this.#xml.send(xml);
  }

  /** The next element of the negotiation. Rejects with a {@link Fault} where the stream is over. */
  async answer(namespace: string, name?: string): Promise<Element> {
    return parse((await this.#inbox.element(namespace, name)).bytes.toString());
  }

  /** The negotiation is over: all that follows goes to the events. */
  deliver(): void {
    const early = this.#early ?? [];
    this.#early = undefined;
    for (const element of early) this.#events.element(element);
    if (this.#closed) this.#events.closed();
  }

  /** Ends it in order. */
  close(): void {
    this.#xml.close();
  }

  /** Breaks it off. */
  destroy(): void {
    this.#xml.destroy();
  }

  #element(element: ScannedElement): void {
    if (element.namespace === ns.tls) this.#xml.stopScanning();
    if (!this.#established) this.#inbox.put(element);
    else if (this.#early) this.#early.push(element);
    else this.#events.element(element);
    // XEP-0198 §5: what the server sends again follows at once.
    if (element.namespace === ns.sm && /^(enabled|resumed)$/.test(element.name)) this.#established = true;
  }

  /** The features offered to the user who has signed in. */
  async #signIn(): Promise<Element> {
    await this.#open();
    await this.#secure();
    await this.#authenticate(await this.#open());
    this.#xml.restart();
    return this.#open();
  }

  async #open(): Promise<Element> {
    this.#xml.sendHeader({ to: this.#account.domain, version: '1.0' });
    await this.#inbox.header();
    return this.answer(ns.streams, 'features');
  }

  async #secure(): Promise<void> {
    const { authorityPem, domain } = this.#account;
    this.#xml.send(`<starttls xmlns='${ns.tls}'/>`);
    await this.#inbox.element(ns.tls, 'proceed');
    await secureAsClient(this.#xml, {
      context: createSecureContext({ ca: authorityPem }),
      serverName: domain,
      direct: false,
      session: undefined,
      onSession: () => undefined,
    });
    const socket = this.#tls;
    const doubt = socket.authorized
      ? checkServerIdentity(domain, socket.getPeerCertificate())
      : socket.authorizationError;
    if (doubt) throw new Fault('tls-failed', `The server's certificate does not hold: ${doubt.message}`);
    this.#xml.restart();
  }

  async #authenticate(features: Element): Promise<void> {
    const { local, password } = this.#account;
    const offered = features.getChild('mechanisms', ns.sasl)?.getChildren('mechanism') ?? [];
    const scram = new ScramClient({
      username: local,
      password,
      offered: offered.map((mechanism) => mechanism.getText()),
      bindings: channelBindings(this.#tls, 'client', undefined),
      announced: announcedBindings(features),
    });
    this.mechanism = scram.mechanism;
    const first = `<auth xmlns='${ns.sasl}' mechanism='${scram.mechanism}'>${base64(scram.first())}</auth>`;
    const challenge = await this.#exchange(first, 'challenge');
    const proof = `<response xmlns='${ns.sasl}'>${base64(await scram.final(challenge))}</response>`;
    scram.verify(await this.#exchange(proof, 'success'));
  }

  /** One round of SASL (RFC 6120 §6.4), its answer decoded. */
  async #exchange(xml: string, wanted: 'challenge' | 'success'): Promise<string> {
    this.#xml.send(xml);
    const answer = await this.answer(ns.sasl);
    if (answer.name === wanted) return Buffer.from(answer.getText(), 'base64').toString();
    throw new Fault(
      'authentication-failed',
      `The server answered ${answer.getChildElements()[0]?.name ?? answer.name}.`,
    );
  }

  get #tls(): TLSSocket {
    const { socket } = this.#xml.wire;
    if (socket instanceof TLSSocket) return socket;
    throw new Fault('tls-failed', 'The stream is in clear.');
  }
}

/** XEP-0440. */
function announcedBindings(features: Element): string[] {
  const types = features.getChild('sasl-channel-binding', 'urn:xmpp:sasl-cb:0')?.getChildren('channel-binding') ?? [];
  return types.map(({ attrs }) => attrs.type ?? '');
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}
