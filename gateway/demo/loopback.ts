import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';

/** What an organisation's servers listen for. */
export type Service = 'xmpp-server' | 'xmpp-client' | 'websocket' | 'sip' | 'sips';

/** The ports everyone knows these services by; 5280 is what XMPP servers use for WebSocket. */
const WELL_KNOWN: Readonly<Record<Service, number>> = {
  'xmpp-server': 5269,
  'xmpp-client': 5222,
  websocket: 5280,
  sip: 5060,
  sips: 5061,
};
/**
 * Below the ranges from which systems draw source ports (32768 upwards on Linux, 49152 on macOS and Windows), so that a
 * gateway that was killed finds its port free again.
 */
const LOWEST_PORT = 10_000;
const HIGHEST_PORT = 30_000;
/** A random port is rarely taken: more failures mean that the address itself cannot be had. */
const TRIES = 30;

/**
 * An address for each of so many hosts: `127.x.y.1`, `127.x.y.2` and so on, of a random network, so that two demos at
 * once do not meet. Where the system has only 127.0.0.1 (macOS), all get that.
 */
export async function loopbackAddresses(count: number): Promise<string[]> {
  const network = `127.${randomInt(16, 255)}.${randomInt(0, 256)}`;
  const own = Array.from({ length: count }, (_, index) => `${network}.${index + 1}`);
  const usable = await Promise.all(own.map((address) => isFree(address, 0)));
  return usable.every(Boolean) ? own : own.map(() => '127.0.0.1');
}

/** Hands out TCP ports that nobody listens on: the well-known one where the address has it free, else a random one. */
export class Ports {
  readonly #taken = new Set<string>();

  /** Throws where the address has no port free. */
  async take(address: string, service: Service): Promise<number> {
    for (let tries = 0; tries < TRIES; tries += 1) {
      const port = tries === 0 ? WELL_KNOWN[service] : randomInt(LOWEST_PORT, HIGHEST_PORT);
      const endpoint = `${address}:${port}`;
      if (this.#taken.has(endpoint)) continue;
      this.#taken.add(endpoint);
      if (await isFree(address, port)) return port;
    }
    throw new Error(`No free port was found at ${address}.`);
  }
}

async function isFree(host: string, port: number): Promise<boolean> {
  const probe = createServer();
  try {
    probe.listen({ host, port, exclusive: true });
    await once(probe, 'listening');
    probe.close();
    await once(probe, 'close');
    return true;
  } catch {
    return false;
  }
}
