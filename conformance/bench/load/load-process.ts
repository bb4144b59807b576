import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Orders } from './load-main.ts';

type Reply = { readonly id: number } & ({ readonly result: unknown } | { readonly error: string });

const main = fileURLToPath(new URL('load-main.ts', import.meta.url));

/** A child process that makes or takes load as it is ordered to. It ends with this one, however that ends. */
export class LoadProcess {
  readonly #child: ChildProcess;
  readonly #open = new Map<number, PromiseWithResolvers<unknown>>();
  #orders = 0;

  constructor() {
    this.#child = fork(main, {
      serialization: 'advanced',
      execArgv: [],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    this.#child.on('message', (reply: Reply) => {
      const order = this.#open.get(reply.id);
      this.#open.delete(reply.id);
      if ('error' in reply) order?.reject(new Error(reply.error));
      else order?.resolve(reply.result);
    });
    this.#child.on('exit', () => {
      for (const order of this.#open.values()) order.reject(new Error('the load process ended'));
      this.#open.clear();
    });
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Has an order carried out; resolves with what came of it. */
  do<Name extends keyof Orders>(
    order: Name,
    details: Parameters<Orders[Name]>[0],
  ): Promise<Awaited<ReturnType<Orders[Name]>>> {
    this.#orders += 1;
    const done = Promise.withResolvers<unknown>();
    this.#open.set(this.#orders, done);
    this.#child.send({ id: this.#orders, order, details });
    return done.promise as Promise<Awaited<ReturnType<Orders[Name]>>>;
  }

  /** Idempotent. */
  async close(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = new Promise((resolve) => this.#child.once('exit', resolve));
    if (this.#child.connected) this.#child.disconnect();
    await gone;
  }
}
