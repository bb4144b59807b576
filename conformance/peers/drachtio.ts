import { once } from 'node:events';
import { connect } from 'node:net';
import { DrachtioStack } from '../../gateway/sip/drachtio/stack.ts';
import type { InCall, InRequest, SipHandlers, Trunk } from '../../gateway/sip/port.ts';
import { Inbox } from './inbox.ts';
import { SipWire, SipWireServer } from './sip-wire.ts';

/** A drachtio server that somebody runs. */
export interface DrachtioAt {
  readonly host: string;
  /** For applications. */
  readonly port: number;
  readonly secret: string;
}

/**
 * The drachtio server of DRACHTIO_HOST, DRACHTIO_PORT and DRACHTIO_SECRET; undefined where these are not set. It has to
 * take SIP over TCP at an address that this machine reaches, see this machine without address translation, and have no
 * other application.
 */
export function drachtioHere(env: Readonly<Record<string, string | undefined>> = process.env): DrachtioAt | undefined {
  const { DRACHTIO_HOST: host, DRACHTIO_PORT: port, DRACHTIO_SECRET: secret } = env;
  if (!host || !port || !secret) return undefined;
  return { host, port: Number(port), secret };
}

const pbxDomain = 'pbx.example';

/** The gateway's drachtio stack at a real server, with a PBX of bare wires behind its trunk: TCP needs no certificate. */
export class DrachtioSite {
  readonly stack: DrachtioStack;
  readonly calls = new Inbox<InCall>('calls', ({ callId }) => callId);
  readonly requests = new Inbox<InRequest>('requests', ({ method }) => method);
  /** What was refused, by reason. */
  readonly refusals: string[] = [];
  /** Where the PBX takes what comes from the server. */
  readonly pbx: SipWireServer;
  readonly #open: { close(): Promise<unknown> }[] = [];

  static async start(at: DrachtioAt): Promise<DrachtioSite> {
    const pbx = await SipWireServer.start(await addressTowards(at));
    const site = new DrachtioSite(at, pbx);
    try {
      await site.stack.start(site.#handlers());
      return site;
    } catch (error) {
      await site.close();
      throw error;
    }
  }

  private constructor({ host, port, secret }: DrachtioAt, pbx: SipWireServer) {
    this.pbx = pbx;
    this.stack = new DrachtioStack({
      server: { host, port, secret: () => Promise.resolve(secret), peersProvenBy: 'administrator' },
      trunks: [
        {
          id: 'pbx',
          kind: 'home',
          domain: pbxDomain,
          domains: [pbxDomain],
          targets: [{ host: pbx.address, port: pbx.port }],
          tls: false,
          addresses: [pbx.address],
          localDomain: 'h.example',
          options: { pingMs: 0 },
        },
      ],
      trust: () => ({ sufficient: false, reason: 'trust-insufficient' }),
      journal: { note: () => undefined, refuse: (_event, reason) => this.refusals.push(reason) },
    });
    this.#open.push(pbx, this.stack);
  }

  get trunk(): Trunk {
    const trunk = this.stack.trunkFor(pbxDomain);
    if (trunk === undefined) throw new Error('there is no trunk to the PBX');
    return trunk;
  }

  /** A connection of the PBX to the server. */
  async wire(): Promise<SipWire> {
    const tcp = this.stack.addresses.find((address) => address.startsWith('tcp/'));
    const [, address = '', port] = /^tcp\/\[?([^\]]*?)\]?:(\d+)$/.exec(tcp ?? '') ?? [];
    if (port === undefined) throw new Error(`the drachtio server takes no SIP over TCP: ${this.stack.addresses}`);
    const wire = await SipWire.connect({ address, port: Number(port), localAddress: this.pbx.address });
    this.#open.push(wire);
    return wire;
  }

  async close(): Promise<void> {
    for (const one of this.#open.splice(0).reverse()) await one.close();
  }

  #handlers(): SipHandlers {
    return {
      invite: (call) => this.calls.add(call),
      request: (request) => {
        this.requests.add(request);
        return Promise.resolve({ status: 200 });
      },
      subscribe: () => Promise.resolve({ accept: false, answer: { status: 489 } }),
      trunk: () => undefined,
    };
  }
}

/** The address of this machine that the server sees. */
async function addressTowards({ host, port }: DrachtioAt): Promise<string> {
  const socket = connect({ host, port });
  await once(socket, 'connect');
  const { localAddress = '127.0.0.1' } = socket;
  socket.destroy();
  return localAddress;
}
