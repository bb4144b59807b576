import type { InCall, Sdp } from '../sip/port.ts';
import { Observed } from './observed.ts';
import { audioAt } from './session-description.ts';
import { SipEndpoint } from './sip-endpoint.ts';

export interface PbxOptions {
  /** Whose PBX it is. */
  readonly domain: string;
  readonly address: string;
  readonly port: number;
}

/** What came from the gateway about a call. */
export interface CallEvent {
  readonly method: 'INVITE' | 'ACK' | 'BYE';
  readonly callId: string;
  /** Of the INVITE: who calls, whom, and with what media. */
  readonly from: string;
  readonly target: string;
  readonly offer: Sdp | undefined;
}

/** The PBX of an organisation, over TCP in clear as on one machine; whoever is called there rings once and answers. */
export class Pbx {
  /** What its phones say of their media. */
  readonly sdp: Sdp;
  readonly heard = new Observed<CallEvent>();
  readonly #options: PbxOptions;
  #endpoint: SipEndpoint | undefined;

  constructor(options: PbxOptions) {
    this.#options = options;
    this.sdp = audioAt(options.address);
  }

  /** Resolves when it accepts. `nameServer` is `ip:port`. */
  async start({ nameServer }: { readonly nameServer: string }): Promise<void> {
    const { domain, address, port } = this.#options;
    const peer = { kind: 'home', domain, calls: domain } as const;
    this.#endpoint = new SipEndpoint({ peer, address, port, nameServer });
    await this.#endpoint.start({
      invite: (call) => void this.#answer(call),
      request: async () => ({ status: 501 }),
    });
  }

  /** Idempotent. */
  async close(): Promise<void> {
    await this.#endpoint?.close();
  }

  async #answer(call: InCall): Promise<void> {
    const { callId, from, target, offer } = call;
    const hear = (method: CallEvent['method']): void =>
      this.heard.add({ method, callId, from: from.uri, target, offer });
    hear('INVITE');
    call.ring({ status: 180 });
    try {
      const session = await call.answer(this.sdp);
      hear('ACK');
      const { by } = await session.ended;
      if (by === 'peer') hear('BYE');
    } catch {
      // Without an ACK there is none to hear of.
    }
  }
}
