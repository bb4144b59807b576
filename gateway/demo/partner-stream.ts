import { once } from 'node:events';
import { connect } from 'node:net';
import { createSecureContext } from 'node:tls';
import type { KeyPair } from '../../pki/issue.ts';
import { Fault } from '../../policies/fault.ts';
import { readFeatures } from '../xmpp/features.ts';
import { Inbox } from '../xmpp/inbox.ts';
import { ns } from '../xmpp/namespaces.ts';
import { PeerStreamFault } from '../xmpp/stream-error.ts';
import { secureAsClient } from '../xmpp/tls.ts';
import { XmlStream } from '../xmpp/xml-stream.ts';
import { READ_LIMITS } from './read-limits.ts';

export interface PartnerStreamOptions {
  readonly address: string;
  readonly port: number;
  /** The domain it says it is, and its certificate for that. */
  readonly from: string;
  readonly certificate: KeyPair;
  readonly to: string;
}

/**
 * A server-to-server stream (RFC 6120, with SASL EXTERNAL) whose owner may say on it whatever it likes: for those who do
 * not keep the rules.
 */
export class PartnerStream {
  /** How the stream ended: the condition of the stream error received, or undefined where there was none. */
  readonly ended: Promise<string | undefined>;
  readonly #options: PartnerStreamOptions;
  readonly #xml: XmlStream;
  readonly #inbox = new Inbox();

  /** Resolves when it stands in clear. */
  static async connect(options: PartnerStreamOptions): Promise<PartnerStream> {
    const socket = connect(options.port, options.address);
    await once(socket, 'connect');
    return new PartnerStream(socket, options);
  }

  private constructor(socket: ReturnType<typeof connect>, options: PartnerStreamOptions) {
    this.#options = options;
    const { promise, resolve } = Promise.withResolvers<string | undefined>();
    this.ended = promise;
    this.#xml = new XmlStream(
      socket,
      { contentNamespace: ns.server, limits: READ_LIMITS },
      {
        header: (header) => this.#inbox.put(header),
        element: (element) => {
          if (element.namespace === ns.tls) this.#xml.stopScanning();
          this.#inbox.put(element);
        },
        drain: () => undefined,
        closed: (fault) => {
          this.#inbox.fail(fault ?? new Fault('stream-error', 'The peer closed the stream.'));
          resolve(fault instanceof PeerStreamFault ? fault.condition : undefined);
        },
      },
    );
  }

  /** TLS, then EXTERNAL. Rejects with the {@link Fault} that ended it before it was proven. */
  async prove(): Promise<void> {
    const { certificate, to } = this.#options;
    await this.#open();
    this.#xml.send(`<starttls xmlns='${ns.tls}'/>`);
    await this.#inbox.element(ns.tls, 'proceed');
    await secureAsClient(this.#xml, {
      context: createSecureContext({ cert: certificate.certificatePem, key: certificate.keyPem }),
      serverName: to,
      direct: false,
      session: undefined,
      onSession: () => undefined,
    });
    this.#xml.restart();
    const { external } = await this.#open();
    if (!external) throw new Fault('trust-insufficient', 'The peer takes no certificate from us.');
    this.#xml.send(`<auth xmlns='${ns.sasl}' mechanism='EXTERNAL'>=</auth>`);
    await this.#inbox.element(ns.sasl, 'success');
    this.#xml.restart();
    await this.#open();
  }

  send(xml: string): void {
    this.#xml.send(xml);
  }

  close(): void {
    this.#xml.destroy();
  }

  async #open(): Promise<ReturnType<typeof readFeatures>> {
    const { from, to } = this.#options;
    this.#xml.sendHeader({ from, to, version: '1.0' });
    await this.#inbox.header();
    return readFeatures((await this.#inbox.element(ns.streams, 'features')).bytes);
  }
}
