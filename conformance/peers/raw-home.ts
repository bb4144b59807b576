import { Inbox } from './inbox.ts';
import type { RawStream } from './raw.ts';
import { RawListener } from './raw-listener.ts';

/** What is done with a link behind the gateway's header for this domain. */
export type ServeLink = (link: RawStream, domain: string) => Promise<void>;

/** A home server played by hand: takes component links (XEP-0114), and treats those of one domain as badly as a test wants. */
export class RawHome {
  /** What came over links that are served well, by the domain of the link. */
  readonly stanzas = new Inbox<{ domain: string; text: string }>(
    'stanzas',
    ({ domain, text }) => `${domain}: ${text.slice(0, 200)}`,
  );
  readonly #plans = new Map<string, ServeLink[]>();
  readonly #links = new Map<string, number>();
  #listener: RawListener | undefined;

  static async start(address: string): Promise<RawHome> {
    const home = new RawHome();
    home.#listener = await RawListener.start(address, (link) => home.#serve(link));
    return home;
  }

  /** Where the gateway finds it. */
  get server(): { readonly address: string; readonly ports: { readonly component: number } } {
    return { address: this.#listener?.address ?? '', ports: { component: this.#listener?.port ?? 0 } };
  }

  /** How the next links of a domain are served, in order; those that follow are served well. */
  plan(domain: string, ...plans: ServeLink[]): void {
    this.#plans.set(domain, plans);
  }

  /** Links that were opened for a domain. */
  opened(domain: string): number {
    return this.#links.get(domain) ?? 0;
  }

  async close(): Promise<void> {
    await this.#listener?.close();
  }

  async #serve(link: RawStream): Promise<void> {
    const header = await link.read(/<stream:stream[^>]*>/);
    const domain = /\sto='([^']*)'/.exec(header)?.[1] ?? '';
    this.#links.set(domain, this.opened(domain) + 1);
    await (this.#plans.get(domain)?.shift() ?? this.well)(link, domain);
  }

  /** As a server in good faith does: every ping is answered in its turn. `mute`: none is. */
  readonly well = async (link: RawStream, domain: string, { mute = false } = {}): Promise<void> => {
    await welcome(link);
    await this.take(link, domain, { mute });
  };

  /** Takes stanzas, and answers pings unless `mute`. */
  async take(link: RawStream, domain: string, { mute = false } = {}): Promise<void> {
    for (;;) {
      const text = await link.read(/<(message|presence|iq)\b[^>]*(\/>|>.*?<\/\1>)/s, { timeoutMs: 600_000 });
      const fence = /<iq type='get' id='([^']+)' from='([^']+)' to='([^']+)'><ping/.exec(text);
      if (fence === null) this.stanzas.add({ domain, text });
      else if (!mute) await link.write(`<iq type='result' id='${fence[1]}' from='${fence[3]}' to='${fence[2]}'/>`);
    }
  }
}

/** XEP-0114 §3, from behind the header; any secret will do. */
export async function welcome(link: RawStream): Promise<void> {
  await link.write(homeHeader);
  await link.read(/<handshake>[^<]*<\/handshake>/);
  await link.write('<handshake/>');
}

export const homeHeader =
  "<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams' id='home'>";
