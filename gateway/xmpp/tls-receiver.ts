import { ns } from './namespaces.ts';
import type { OwnCertificates } from './own-certificates.ts';
import { StreamFault } from './stream-error.ts';
import { type Secured, secureAsServer } from './tls.ts';
import type { XmlStream } from './xml-stream.ts';

/** The stream that is to be secured. */
export interface SecurableStream {
  readonly xml: XmlStream;
  readonly home: string;
  readonly proven: { readonly tls: Secured | undefined };
}

/** TLS on a stream opened to us, by STARTTLS (RFC 6120 §5) or from the first byte (XEP-0368). */
export class TlsReceiver {
  /** Whether a handshake is under way. */
  shakingHands = false;
  readonly #certificates: OwnCertificates;
  readonly #stream: SecurableStream;
  readonly #secured: (secured: Secured) => void;

  /** `secured` is told when the handshake is done. */
  constructor(certificates: OwnCertificates, stream: SecurableStream, secured: (secured: Secured) => void) {
    this.#certificates = certificates;
    this.#stream = stream;
    this.#secured = secured;
  }

  /** The peer has asked for it. Throws a {@link StreamFault} where it is there already. */
  starttls(): void {
    const { home, proven, xml } = this.#stream;
    if (proven.tls) throw new StreamFault('policy-violation', 'stream-protocol', 'TLS is already there.');
    if (this.#certificates.contextFor(home) === undefined) {
      xml.send(`<failure xmlns='${ns.tls}'/>`);
      xml.close();
      return;
    }
    xml.stopScanning();
    // The rest of this chunk must be looked at before the handshake: only then is it known that nothing hides in it.
    queueMicrotask(() => {
      if (!xml.open) return;
      try {
        xml.refuseInjection();
        xml.send(`<proceed xmlns='${ns.tls}'/>`);
        this.secure(false);
      } catch (error) {
        xml.fail(error as StreamFault);
      }
    });
  }

  /** Shakes hands; without a certificate of ours the connection is dropped. */
  secure(direct: boolean): void {
    const { home, xml } = this.#stream;
    const context = this.#certificates.contextFor(home);
    if (context === undefined) {
      xml.destroy();
      return;
    }
    const contextFor = (name: string): ReturnType<OwnCertificates['contextFor']> => this.#certificates.contextFor(name);
    secureAsServer(xml, { context, contextFor, direct }, (secured) => {
      this.shakingHands = false;
      this.#secured(secured);
    });
    this.shakingHands = true;
    xml.restart();
  }
}
