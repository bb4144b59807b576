/** Why a command that was interrupted did not come to its end. */
export class Interrupted extends Error {
  constructor() {
    super('interrupted');
    this.name = 'Interrupted';
  }
}

/** A signal that Ctrl-C (SIGINT) or SIGTERM aborts, with {@link Interrupted}, while it is not disposed of. */
export function interruptible(): { readonly signal: AbortSignal } & Disposable {
  const controller = new AbortController();
  const interrupt = (): void => controller.abort(new Interrupted());
  const signals = ['SIGINT', 'SIGTERM'] as const;
  // Once: the second one ends the process as if nobody listened.
  for (const name of signals) process.once(name, interrupt);
  return {
    signal: controller.signal,
    [Symbol.dispose]: () => {
      for (const name of signals) process.off(name, interrupt);
    },
  };
}
