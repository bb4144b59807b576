import { ns } from '../namespaces.ts';
import type { TestNet } from './edge.fixture.ts';
import { type RawPeer, RawServer } from './raw-peer.fixture.ts';

export interface RawFeatures {
  /** XEP-0198: the test itself confirms, or does not. */
  readonly sm?: boolean;
  /** What is granted to whoever enables it: attributes of `<enabled/>`, such as `id` and `resume`. */
  readonly session?: string;
  readonly bidi?: boolean;
  /** XEP-0478, bytes. */
  readonly maxBytes?: number;
}

const attribute = (tag: string, name: string): string => new RegExp(`\\s${name}='([^']*)'`).exec(tag)?.[1] ?? '';

/** A partner's server in clear, proven by dialback, up to the point where the test takes over. */
export class RawPartner {
  readonly server: RawServer;
  readonly domain: string;
  #streams = 0;

  static async start(net: TestNet, domain: string): Promise<RawPartner> {
    const server = await RawServer.start();
    net.publish(domain, server.port);
    return new RawPartner(server, domain);
  }

  private constructor(server: RawServer, domain: string) {
    this.server = server;
    this.domain = domain;
  }

  /** Accepts the next stream, believes its dialback key, and hands it over with stanzas to come. */
  async stream(offers: RawFeatures = {}): Promise<RawPeer> {
    const peer = await this.opened(offers);
    await this.believe(peer);
    if (offers.sm) {
      await peer.read(/<enable [^>]*\/>/);
      peer.write(`<enabled xmlns='${ns.sm}'${offers.session ? ` ${offers.session}` : ''}/>`);
    }
    return peer;
  }

  /** Accepts the next stream and answers its header. */
  async opened({ sm = false, bidi = false, maxBytes = 0 }: RawFeatures = {}): Promise<RawPeer> {
    const peer = await this.server.next();
    const header = await peer.read(/<stream:stream [^>]*>/);
    peer.write(
      `<?xml version='1.0'?><stream:stream xmlns='${ns.server}' xmlns:stream='${ns.streams}' xmlns:db='${ns.dialback}'` +
        ` id='raw-${++this.#streams}' version='1.0' from='${this.domain}' to='${attribute(header, 'from')}'>` +
        `<stream:features><dialback xmlns='${ns.dialbackFeature}'><errors/></dialback>` +
        `${sm ? `<sm xmlns='${ns.sm}'/>` : ''}${bidi ? `<bidi xmlns='${ns.bidiFeature}'/>` : ''}` +
        `${maxBytes ? `<limits xmlns='${ns.limits}'><max-bytes>${maxBytes}</max-bytes></limits>` : ''}</stream:features>`,
    );
    return peer;
  }

  /** Waits for a dialback key and says that it is good, with something more in the same packet. */
  async believe(peer: RawPeer, more = ''): Promise<void> {
    const [result = ''] = /<db:result [^>]*>/.exec(await peer.read(/<db:result [^>]*>[^<]*<\/db:result>/)) ?? [];
    peer.write(`<db:result from='${attribute(result, 'to')}' to='${attribute(result, 'from')}' type='valid'/>${more}`);
  }

  close(): Promise<void> {
    return this.server.close();
  }
}

/** Reads so many messages; their ids, in order. */
export async function readIds(peer: RawPeer, count: number): Promise<string[]> {
  const ids: string[] = [];
  while (ids.length < count) {
    const [message = ''] = /<message [^>]*>/.exec(await peer.read(/<message [^>]*>.*?<\/message>/)) ?? [];
    ids.push(attribute(message, 'id'));
  }
  return ids;
}
