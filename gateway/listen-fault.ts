import { Fault, type Place } from '../policies/fault.ts';
import type { ListenAddress } from './config/config.ts';

/** What helps where a listener cannot be opened, by the system's error code. */
export function listenRemedy(code: string | undefined): string {
  switch (code) {
    case 'EADDRINUSE':
      return 'nothing to do if it is this gateway that runs; else stop what listens there, or take another port';
    case 'EACCES':
      return 'choose a port above 1023, or give the process CAP_NET_BIND_SERVICE';
    default:
      return 'choose an address that this machine has; 0.0.0.0 and [::] stand for all';
  }
}

/** A listener of gateway.yaml, and where it is written. */
export interface PlacedListener {
  readonly address: ListenAddress;
  readonly place: Place;
}

/** A `listen-failed` with the listener's place and what helps; anything else as it is. */
export function placedListenFault(thrown: unknown, listeners: readonly PlacedListener[]): unknown {
  if (!(thrown instanceof Fault) || thrown.code !== 'listen-failed') return thrown;
  const { message, cause } = thrown;
  // The system leaves a port of 0 out.
  const { code, address, port = 0 } = (cause ?? {}) as { code?: string; address?: string; port?: number };
  const listener =
    listeners.find((one) => one.address.port === port && one.address.host === address) ??
    listeners.find((one) => one.address.port === port);
  return new Fault('listen-failed', message, { place: listener?.place, remedy: listenRemedy(code), cause });
}
