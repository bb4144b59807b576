import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { type Element, xml } from '@xmpp/client';
import { ElementReader } from './element-reader.ts';
import { Inbox } from './inbox.ts';

export interface RawComponentOptions {
  /** Of the server's component port. */
  readonly address: string;
  readonly port: number;
  readonly domain: string;
  readonly secret: string;
}

/**
 * A whole domain played by the test, behind a server (XEP-0114): it sees every stanza for any of its addresses, and says
 * what it likes in the name of any. Pings are answered.
 */
export class RawComponent {
  readonly domain: string;
  /** All that came, in order, pings left out. */
  readonly stanzas = new Inbox<Element>('stanzas', String);
  readonly #socket: Socket;

  /** Resolves when the server has taken the handshake. */
  static async connect({ address, port, domain, secret }: RawComponentOptions): Promise<RawComponent> {
    const socket = connect({ host: address, port, noDelay: true });
    await once(socket, 'connect');
    const component = new RawComponent(socket, domain, secret);
    await component.stanzas.next(({ name }) => name === 'handshake');
    return component;
  }

  private constructor(socket: Socket, domain: string, secret: string) {
    this.domain = domain;
    this.#socket = socket;
    const reader = new ElementReader({
      header: ({ attrs }) => {
        const proof = createHash('sha1').update(`${attrs.id}${secret}`).digest('hex');
        socket.write(`<handshake>${proof}</handshake>`);
      },
      element: (element) => this.#take(element),
      end: () => socket.end(),
      error: () => socket.destroy(),
    });
    socket.on('error', () => {}); // the test that waits for a stanza fails by its own time limit
    socket.setEncoding('utf8').on('data', (text: string) => reader.write(text));
    socket.write(
      `<stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams' to='${domain}'>`,
    );
  }

  send(...stanzas: readonly Element[]): void {
    this.#socket.write(stanzas.join(''));
  }

  async close(): Promise<void> {
    this.#socket.destroy();
  }

  #take(element: Element): void {
    const { from, to, id, type } = element.attrs;
    if (type === 'get' && element.getChild('ping', 'urn:xmpp:ping')) {
      this.send(xml('iq', { from: to, to: from, id, type: 'result' }));
    } else this.stanzas.add(element);
  }
}
