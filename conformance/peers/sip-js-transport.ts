import { Core } from 'sip.js';
import { SipWire, type SipWireOptions } from './sip-wire.ts';

/** sip.js talks over WebSockets of a browser; this lays its core on one TLS or TCP connection of Node. */
export class SipJsTransport implements Core.Transport {
  readonly protocol: 'TLS' | 'TCP';
  readonly wire: SipWire;
  readonly #trace: (line: string) => void;

  /** `trace` is told of every message, whole, with `>` before what is sent and `<` before what came. */
  static async connect(options: SipWireOptions, trace: (line: string) => void = () => {}): Promise<SipJsTransport> {
    return new SipJsTransport(await SipWire.connect(options), trace);
  }

  private constructor(wire: SipWire, trace: (line: string) => void) {
    this.wire = wire;
    this.protocol = wire.transport;
    this.#trace = trace;
  }

  /** Everything that comes is this core's from here on. */
  serve(core: Core.UserAgentCore): void {
    const logger = core.loggerFactory.getLogger('transport');
    this.wire.messages.consume(({ start, headers, body }) => {
      const head = [start, ...headers.map((field) => field.join(': '))].join('\r\n');
      const text = `${head}\r\n\r\n${body}`;
      this.#trace(`< ${text}`);
      const message = Core.Parser.parseMessage(text, logger);
      if (message instanceof Core.IncomingRequestMessage) core.receiveIncomingRequestFromTransport(message);
      else if (message !== undefined) core.receiveIncomingResponseFromTransport(message);
    });
  }

  /** Rejects when the connection is gone, as the core wants it. */
  async send(message: string): Promise<void> {
    this.#trace(`> ${message}`);
    await this.wire.write(message);
  }

  close(): Promise<void> {
    return this.wire.close();
  }
}
