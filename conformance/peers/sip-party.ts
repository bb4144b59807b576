import { once } from 'node:events';
import { type Element, xml } from '@xmpp/client';
import type { KeyPair } from './authority.ts';
import type { Party } from './correspondent.ts';
import type { GatewayProcess } from './gateway.ts';
import { headerValue, methodOf, statusOf, type WireMessage } from './sip-reader.ts';
import { SipWire, type SipWireServer, token, type WireRequest } from './sip-wire.ts';

/** ms between two tries to connect. */
const againMs = 25;

/** Who takes the final response to a MESSAGE; 0 where its connection went first. */
type Settle = (status: number) => void;
/** Sends a MESSAGE; resolves with its final status, 0 where the connection broke first. */
type Ask = (request: Omit<WireRequest, 'branch'>) => Promise<number>;

/**
 * A SIP server of a partner, by hand: it takes MESSAGEs on every connection, answers each with 200, and sends those of
 * its users on a connection of its own, which it opens anew when it is gone. A MESSAGE without a final response is not
 * sent again.
 */
export class SipParties {
  readonly #gateway: GatewayProcess;
  readonly #certificate: KeyPair;
  readonly #servername: string;
  readonly #parties = new Map<string, SipParty>();
  /** By branch. */
  readonly #awaited = new Map<string, Settle>();
  #wire: Promise<SipWire> | undefined;
  readonly #wires = new Set<SipWire>();
  #silent = false;
  #closed = false;

  constructor(gateway: GatewayProcess, server: SipWireServer, certificate: KeyPair) {
    this.#gateway = gateway;
    this.#certificate = certificate;
    this.#servername = gateway.domain;
    void this.#accept(server);
  }

  /** `bob@p.example`. */
  party(address: string): Party {
    const party = new SipParty(address, (request) => this.#request(request));
    this.#parties.set(`sip:${address}`, party);
    return party;
  }

  /** From now on MESSAGEs are taken, and nobody is told. */
  fallSilent(): void {
    this.#silent = true;
  }

  /** Every connection breaks; on new ones it answers. */
  cut(): void {
    this.#silent = false;
    for (const wire of this.#wires) wire.socket.destroy();
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#wires].map((wire) => wire.close()));
  }

  async #accept(server: SipWireServer): Promise<void> {
    for (;;) {
      const wire = await server.next({ timeoutMs: 3_600_000 }).catch(() => undefined);
      if (wire === undefined) return;
      this.#serve(wire);
    }
  }

  #serve(wire: SipWire): void {
    this.#wires.add(wire);
    void wire.closed.then(() => this.#wires.delete(wire));
    wire.messages.consume((message) => {
      if (methodOf(message) === 'MESSAGE') this.#deliver(message);
      if (methodOf(message) !== '') this.#answer(wire, message);
      else if (statusOf(message) >= 200) this.#settle(branchOf(message), statusOf(message));
    });
  }

  #answer(wire: SipWire, request: WireMessage): void {
    if (this.#silent) return;
    void wire.respond(request, 200, 'OK').catch(() => {}); // it is gone, and so is who asked
  }

  #deliver(message: WireMessage): void {
    const target = message.start.split(' ')[1] ?? '';
    this.#parties
      .get(target.split(';', 1)[0] ?? '')
      ?.hear(xml('message', {}, xml('body', {}, message.body.toString())));
  }

  async #request(request: Parameters<Ask>[0]): Promise<number> {
    const wire = await this.#connected();
    const { promise, resolve } = Promise.withResolvers<number>();
    const branch = `z9hG4bK${request.callId}`;
    this.#awaited.set(branch, resolve);
    void wire.closed.then(() => this.#settle(branch, 0));
    await wire.send({ ...request, branch }).catch(() => this.#settle(branch, 0));
    return await promise;
  }

  #settle(branch: string, status: number): void {
    this.#awaited.get(branch)?.(status);
    this.#awaited.delete(branch);
  }

  #connected(): Promise<SipWire> {
    this.#wire ??= this.#connect();
    return this.#wire;
  }

  async #connect(): Promise<SipWire> {
    const { address, ports } = this.#gateway;
    const { certificatePem: cert, keyPem: key } = this.#certificate;
    while (!this.#closed) {
      try {
        const wire = await SipWire.connect({
          address,
          port: ports.sip,
          tls: { servername: this.#servername, cert, key },
        });
        this.#serve(wire);
        void wire.closed.then(() => {
          this.#wire = undefined;
        });
        return wire;
      } catch {
        await once(AbortSignal.timeout(againMs), 'abort');
      }
    }
    throw new Error('the SIP server is closed');
  }
}

/** A user of such a server. */
class SipParty implements Party {
  readonly address: string;
  readonly #ask: Ask;
  readonly #listeners: ((message: Element) => void)[] = [];

  constructor(address: string, ask: Ask) {
    this.address = address;
    this.#ask = ask;
  }

  listen(listener: (message: Element) => void): void {
    this.#listeners.push(listener);
  }

  hear(message: Element): void {
    for (const listener of this.#listeners) listener(message);
  }

  /** One after the other, each when the one before has its final response (RFC 3428 §8). Whoever asks is told of each. */
  async hand(messages: readonly Element[]): Promise<boolean> {
    for (const message of messages) {
      const status = await this.#say(message);
      if (status < 200 || status > 299) this.hear(failed(message, status));
    }
    return true;
  }

  #say(message: Element): Promise<number> {
    const { to, id = '' } = message.attrs;
    return this.#ask({
      method: 'MESSAGE',
      target: `sip:${to}`,
      from: `sip:${this.address}`,
      callId: `${id.replaceAll(' ', '-')}-${token()}`,
      headers: [['Content-Type', 'text/plain']],
      body: message.getChildText('body') ?? '',
    });
  }
}

/** What a user is told whose MESSAGE was refused, or got no answer. */
function failed({ attrs }: Element, status: number): Element {
  return xml(
    'message',
    { type: 'error', id: attrs.id },
    xml('error', {}, xml(status === 0 ? 'doubtful' : `s${status}`)),
  );
}

function branchOf(response: WireMessage): string {
  return /;\s*branch=([^;,\s]+)/.exec(headerValue(response, 'via'))?.[1] ?? '';
}
