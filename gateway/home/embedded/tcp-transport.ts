import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { Fault } from '../../../policies/fault.ts';
import { UNPROVEN_ELEMENT_BYTES } from '../../xmpp/edge-context.ts';
import { featuresXml } from '../../xmpp/features.ts';
import { ns } from '../../xmpp/namespaces.ts';
import type { OwnCertificates } from '../../xmpp/own-certificates.ts';
import type { ScannerLimits } from '../../xmpp/scanner.ts';
import type { StreamFault } from '../../xmpp/stream-error.ts';
import { secureAsServer } from '../../xmpp/tls.ts';
import { XmlStream } from '../../xmpp/xml-stream.ts';
import { type ChannelBindings, channelBindings, noBindings } from './channel-binding.ts';
import { clientNs } from './client-namespaces.ts';
import type { Answer, ClientTransport, ClientTransportEvents } from './client-transport.ts';

export interface TcpTransportOptions {
  /** Of an authenticated client. */
  readonly scanner: ScannerLimits;
  /** Bytes read in all until the client is authenticated. */
  readonly unprovenBytes: number;
  readonly certificates: OwnCertificates;
  /** Whether TLS begins with the first byte (XEP-0368). */
  readonly direct: boolean;
}

/** A client's stream over TCP, in clear until TLS is laid over it. */
export class TcpTransport implements ClientTransport {
  readonly kind = 'tcp';
  readonly address: string;
  bindings: ChannelBindings = noBindings;
  secured = false;
  readonly #xml: XmlStream;
  readonly #options: TcpTransportOptions;
  #handshaking = false;

  constructor(socket: Socket, options: TcpTransportOptions, events: ClientTransportEvents) {
    this.address = socket.remoteAddress ?? '';
    this.#options = options;
    this.#xml = new XmlStream(
      socket,
      {
        contentNamespace: clientNs.client,
        limits: { ...options.scanner, elementBytes: UNPROVEN_ELEMENT_BYTES },
        allowance: options.unprovenBytes,
      },
      {
        ...events,
        header: (header) => events.opening(header),
        closed: (fault) => events.closed(this.#handshaking ? new Fault('tls-failed', fault?.message) : fault),
      },
    );
    if (options.direct) this.#secure('', true);
  }

  get canStartTls(): boolean {
    return !this.secured && !this.#options.direct;
  }

  get open(): boolean {
    return this.#xml.open;
  }

  get full(): boolean {
    return this.#xml.wire.full;
  }

  get lastRead(): number {
    return this.#xml.lastRead;
  }

  prepare(answer: Answer): void {
    this.#xml.prepareHeader({ ...answer, version: '1.0' });
  }

  answer(answer: Answer): void {
    this.#xml.sendHeader({ ...answer, version: '1.0' });
  }

  features(children: readonly string[]): void {
    this.#xml.send(featuresXml(children));
  }

  stanza(bytes: Buffer): void {
    this.#xml.send(bytes);
  }

  send(xml: string): void {
    this.#xml.send(xml);
  }

  reply(xml: string): void {
    this.#xml.answer(xml);
  }

  restart(): void {
    this.#xml.restart();
  }

  trusted(): void {
    this.#xml.trusted(this.#options.scanner.elementBytes);
  }

  startTls(domain: string): void {
    this.#xml.stopScanning();
    // The rest of this chunk must be looked at before the handshake: only then is it known that nothing hides in it.
    queueMicrotask(() => {
      if (!this.#xml.open) return;
      try {
        // Clients in Go write a line feed behind every element.
        this.#xml.refuseInjection(false);
        this.#xml.send(`<proceed xmlns='${ns.tls}'/>`);
        this.#secure(domain, false);
      } catch (error) {
        this.#xml.fail(error as StreamFault);
      }
    });
  }

  pause(): void {
    this.#xml.wire.pause();
  }

  resume(): void {
    this.#xml.wire.resume();
  }

  fail(fault: StreamFault): void {
    // RFC 6120 §5.4.3.2: a handshake that fails ends without a word.
    if (this.#handshaking) this.#xml.destroy(fault);
    else this.#xml.fail(fault);
  }

  close(fault?: Fault): void {
    this.#xml.close(fault);
  }

  destroy(fault?: Fault): void {
    this.#xml.destroy(fault);
  }

  #secure(domain: string, direct: boolean): void {
    const { certificates } = this.#options;
    const context = certificates.contextFor(domain);
    if (context === undefined) {
      this.#xml.destroy();
      return;
    }
    const contextFor = (name: string): ReturnType<typeof certificates.contextFor> => certificates.contextFor(name);
    this.#handshaking = true;
    secureAsServer(this.#xml, { context, contextFor, direct, peers: 'clients' }, () => {
      this.#handshaking = false;
      this.secured = true;
      const { socket } = this.#xml.wire;
      if (socket instanceof TLSSocket) this.bindings = channelBindings(socket, 'server', socket.getX509Certificate());
    });
    this.#xml.restart();
  }
}
