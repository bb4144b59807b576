import { endpointText } from '../../../policies/address.ts';
import type { Goal } from '../../sip/trunk/locate.ts';

/** A server by name, and the port that a record names. */
export interface NamedServer {
  readonly host: string;
  readonly port: number;
}

/** As `trunk.hosts` writes it. */
export function hostText({ host, port }: Goal): string {
  if (port !== undefined) return endpointText({ host, port });
  return host.includes(':') ? `[${host}]` : host;
}
