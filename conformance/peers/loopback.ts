import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

/** Below the range from which kernels draw source ports (32768 upwards), so that a stopped server finds its port free again. */
const lowestPort = 10_000;
const highestPort = 30_000;
/** A random port is rarely taken; more failures than this mean that the address cannot be bound at all. */
const attempts = 30;
/** One network of 127.x.y.0 has room for this many hosts. */
const hostsPerNetwork = 254;

/** Hands out loopback addresses, each a "host" of its own, from a random /24 so that two runs at once do not meet. */
export class Loopback {
  readonly #network = `127.${randomInt(16, 255)}.${randomInt(0, 256)}`;
  readonly #ports = new Set<string>();
  #hosts = 0;

  /** The next unused address, such as `127.83.4.1`; throws after 254. */
  address(): string {
    if (this.#hosts === hostsPerNetwork) throw new Error(`no address left in ${this.#network}.0/24`);
    this.#hosts += 1;
    return `${this.#network}.${this.#hosts}`;
  }

  /** A random TCP port that nobody listens on at this address and that was not handed out before. */
  async port(address: string): Promise<number> {
    for (let attempt = 0; attempt < attempts; attempt += 1) {
      const port = randomInt(lowestPort, highestPort);
      const endpoint = `${address}:${port}`;
      if (this.#ports.has(endpoint) || !(await isFree(address, port))) continue;
      this.#ports.add(endpoint);
      return port;
    }
    throw new Error(`no free port found at ${address}`);
  }
}

function isFree(address: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen({ host: address, port, exclusive: true }, () => probe.close(() => resolve(true)));
  });
}
