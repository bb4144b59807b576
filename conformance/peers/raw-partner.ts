import type { KeyPair } from './authority.ts';
import { RawStream, streamHeader, type TlsOptions } from './raw.ts';

/** Where the stream goes: the gateway, or a server under test. */
export interface RawPartnerTarget {
  readonly address: string;
  readonly ports: { readonly s2s: number };
}

export interface RawPartnerOptions {
  readonly from?: string;
  readonly to?: string;
  readonly certificate?: KeyPair | undefined;
  /** The loopback address to come from. */
  readonly localAddress?: string | undefined;
  /** Further options of the handshake, such as `session` or `maxVersion`. */
  readonly tls?: TlsOptions | undefined;
}

const tlsNs = 'urn:ietf:params:xml:ns:xmpp-tls';
const saslNs = 'urn:ietf:params:xml:ns:xmpp-sasl';

/** A partner's server that opens a stream and then says exactly what a test wants, well-behaved only as far as asked. */
export class RawPartner {
  readonly stream: RawStream;
  readonly #from: string | undefined;
  readonly #to: string | undefined;
  #id = '';

  /** Speaks up to and including the first features; nothing is encrypted yet. */
  static async clear(target: RawPartnerTarget, { from, to, localAddress }: RawPartnerOptions): Promise<RawPartner> {
    const stream = await RawStream.connect({ address: target.address, port: target.ports.s2s, localAddress });
    const partner = new RawPartner(stream, from, to);
    await partner.open();
    await partner.features();
    return partner;
  }

  /** Speaks up to and including the header that answers ours over TLS: features, or the error in their place, are yet to be read. */
  static async secured(target: RawPartnerTarget, options: RawPartnerOptions): Promise<RawPartner> {
    const partner = await RawPartner.clear(target, options);
    await partner.starttls(options);
    await partner.open();
    return partner;
  }

  /** Speaks up to the point where stanzas may flow, proven by EXTERNAL. `early` is said before that, such as `<bidi/>`. */
  static async proven(target: RawPartnerTarget, options: RawPartnerOptions, early = ''): Promise<RawPartner> {
    const partner = await RawPartner.secured(target, options);
    await partner.features();
    await partner.stream.write(early);
    await partner.authenticate();
    return partner;
  }

  private constructor(stream: RawStream, from: string | undefined, to: string | undefined) {
    this.stream = stream;
    this.#from = from;
    this.#to = to;
  }

  /** The id of the last header received: what dialback keys are bound to. */
  get id(): string {
    return this.#id;
  }

  /** Opens or restarts the stream and takes the header that answers, not what follows it. */
  async open(addresses: { from?: string; to?: string } = {}): Promise<void> {
    const { from = this.#from, to = this.#to } = addresses;
    await this.stream.write(
      streamHeader({ ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) }),
    );
    const header = await this.stream.read(/<stream:stream[^>]*>/);
    this.#id = /\sid='([^']*)'/.exec(header)?.[1] ?? '';
  }

  /** Takes the features. */
  features(): Promise<string> {
    return this.stream.read(/<stream:features\/>|<stream:features>.*<\/stream:features>/s);
  }

  async starttls({ to, certificate, tls }: RawPartnerOptions): Promise<void> {
    await this.stream.write(`<starttls xmlns='${tlsNs}'/>`);
    await this.stream.read(/<proceed[^>]*>/);
    await this.stream.startTls({
      ...(to === undefined ? {} : { servername: to }),
      ...(certificate === undefined ? {} : { cert: certificate.certificatePem, key: certificate.keyPem }),
      ...tls,
    });
  }

  /** Sends `<auth/>` and takes the answer. */
  async auth(content: string, mechanism = 'EXTERNAL'): Promise<string> {
    await this.stream.write(`<auth xmlns='${saslNs}' mechanism='${mechanism}'>${content}</auth>`);
    return await this.stream.read(/<success[^>]*\/>|<failure.*?<\/failure>/s);
  }

  /** EXTERNAL with success, and the restart behind it. */
  async authenticate(): Promise<void> {
    const answer = await this.auth('=');
    if (!answer.startsWith('<success')) throw new Error(`EXTERNAL failed: ${answer}`);
    await this.open();
    await this.features();
  }

  /** Claims a domain by dialback and takes the answer. */
  async claim(from: string, to: string, key: string): Promise<string> {
    await this.stream.write(dialback('result', { from, to }, key));
    return await this.stream.read(/<db:result[^>]*\/>|<db:result.*?<\/db:result>/s);
  }

  /** Takes the stream error and everything before it; resolves with the condition when the connection is over too. */
  async streamError(): Promise<string> {
    const text = await this.stream.read(/<stream:error>.*<\/stream:error>\s*<\/stream:stream>/s);
    await this.stream.closed;
    return /<stream:error>\s*<([a-z-]+)/.exec(text)?.[1] ?? '';
  }

  /** From here on it is a server that reads all, and of all that answers pings (XEP-0199) only. */
  answerPings(): void {
    let tail = '';
    this.stream.discard((text) => {
      tail += text;
      for (const [, id] of tail.matchAll(/<iq type='get' id='([^']+)'[^>]*><ping/g)) {
        const iq = `<iq type='result' id='${id}' from='${this.#from}' to='${this.#to}'/>`;
        this.stream.write(iq).catch(() => {}); // the connection ended first
      }
      tail = tail.slice(tail.lastIndexOf('<iq type=')).slice(0, 1_000);
      if (/<ping/.test(tail)) tail = '';
    });
  }

  close(): Promise<void> {
    return this.stream.close();
  }
}

/** An element of dialback (XEP-0220); without a `type` it asks. */
export function dialback(
  name: 'result' | 'verify',
  attributes: { readonly from: string; readonly to: string; readonly id?: string; readonly type?: string },
  key = '',
): string {
  const written = Object.entries(attributes).map(([attribute, value]) => ` ${attribute}='${value}'`);
  return `<db:${name}${written.join('')}>${key}</db:${name}>`;
}
