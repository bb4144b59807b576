import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { RawPeer } from '../../../xmpp/testing/raw-peer.fixture.ts';
import { type ChannelBindings, channelBindings, noBindings } from '../channel-binding.ts';
import { ScramClient, type ScramLogin } from '../scram-client.ts';
import { DOMAIN } from './client-world.fixture.ts';

export const header = (domain = DOMAIN): string =>
  `<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' ` +
  `to='${domain}' version='1.0'>`;
const SASL = "xmlns='urn:ietf:params:xml:ns:xmpp-sasl'";
const FEATURES = /<stream:features>.*?<\/stream:features>/s;

export interface RawClientOptions {
  readonly direct?: boolean;
  readonly tls?: 'TLSv1.2' | 'TLSv1.3';
  readonly domain?: string;
}

/** A client of which a test sees and says every byte. */
export class RawClient {
  readonly peer: RawPeer;
  readonly #bare: Socket;
  bindings: ChannelBindings = noBindings;
  /** The features last read. */
  features = '';

  /** Connects in clear, or with TLS at once. */
  static async connect(port: number, options: RawClientOptions = {}): Promise<RawClient> {
    if (!options.direct) return new RawClient(new RawPeer(connect(port, '127.0.0.1')));
    const socket = connectTls({ port, host: '127.0.0.1', ...tlsOptions(options), ALPNProtocols: ['xmpp-client'] });
    return RawClient.#secured(socket);
  }

  /** Connects, and lays TLS over it. */
  static async secure(port: number, options: RawClientOptions = {}): Promise<RawClient> {
    const clear = await RawClient.connect(port, options);
    await clear.open(options.domain);
    clear.write("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
    await clear.read(/<proceed [^>]*>/);
    clear.peer.socket.removeAllListeners('data');
    const bare = clear.peer.socket;
    return RawClient.#secured(connectTls({ socket: bare, ...tlsOptions(options) }), bare);
  }

  static async #secured(socket: TLSSocket, bare?: Socket): Promise<RawClient> {
    await once(socket, 'secureConnect');
    const client = new RawClient(new RawPeer(socket), bare);
    client.bindings = channelBindings(socket, 'client', socket.getPeerX509Certificate());
    return client;
  }

  private constructor(peer: RawPeer, bare = peer.socket) {
    this.peer = peer;
    this.#bare = bare;
  }

  write(text: string): void {
    this.peer.write(text);
  }

  read(pattern: RegExp): Promise<string> {
    return this.peer.read(pattern);
  }

  /** Opens the stream and reads the features. */
  async open(domain?: string): Promise<string> {
    this.write(header(domain));
    this.features = await this.read(FEATURES);
    return this.features;
  }

  /** One SASL exchange; resolves with the last element, be it success or failure. */
  async authenticate(username: string, password: string, more: Partial<ScramLogin> = {}): Promise<string> {
    const offered = [...this.features.matchAll(/<mechanism>([^<]*)</g)].map(([, name = '']) => name);
    const scram = new ScramClient({ username, password, offered, bindings: this.bindings, ...more });
    this.write(`<auth ${SASL} mechanism='${scram.mechanism}'>${base64(scram.first())}</auth>`);
    const challenge = await this.read(/<challenge [^>]*>[^<]*<\/challenge>|<failure.*?<\/failure>/);
    if (challenge.includes('<failure')) return challenge;
    this.write(`<response ${SASL}>${base64(await scram.final(content(challenge)))}</response>`);
    const end = await this.read(/<success [^>]*>[^<]*<\/success>|<failure.*?<\/failure>/);
    if (end.includes('<success')) scram.verify(content(end));
    return end;
  }

  /** Signs in and opens the stream anew. */
  async signIn(username: string, password: string, domain?: string): Promise<this> {
    await this.open(domain);
    const end = await this.authenticate(username, password);
    if (!end.includes('<success')) throw new Error(end);
    await this.open(domain);
    return this;
  }

  /** Binds a resource; resolves with the full JID. */
  async bind(resource = ''): Promise<string> {
    const wanted = resource === '' ? '' : `<resource>${resource}</resource>`;
    this.write(`<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>${wanted}</bind></iq>`);
    const result = await this.read(/<iq .*?<\/iq>/);
    return /<jid>([^<]*)</.exec(result)?.[1] ?? result;
  }

  /** Enables stream management; resolves with the id to resume by. */
  async manage(): Promise<string> {
    this.write("<enable xmlns='urn:xmpp:sm:3' resume='true'/>");
    return / id='([^']*)'/.exec(await this.read(/<enabled [^>]*>/))?.[1] ?? '';
  }

  /** Breaks the connection without a word. */
  cut(): void {
    this.#bare.destroy();
  }
}

export function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}

function content(element: string): string {
  return Buffer.from(/>([^<]*)<\//.exec(element)?.[1] ?? '', 'base64').toString();
}

function tlsOptions({ tls, domain = DOMAIN }: RawClientOptions): object {
  return {
    rejectUnauthorized: false,
    servername: domain,
    ...(tls === undefined ? {} : { minVersion: tls, maxVersion: tls }),
  };
}
