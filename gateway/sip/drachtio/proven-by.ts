import { BlockList, isIP } from 'node:net';
import { Fault, type Place } from '../../../policies/fault.ts';
import type { TrunkOptions } from '../trunk/trunk-options.ts';

/** Who answers for what a drachtio server cannot show: that peers are who they say. */
export type PeersProvenBy = 'edge' | 'administrator';

export interface ProvenOptions {
  readonly peersProvenBy: PeersProvenBy | undefined;
  /** Where requests are sent first, a URI such as `sip:127.0.0.1:5070;transport=tcp`. */
  readonly proxy?: string | undefined;
  /** Where `edges.sip.drachtio` stands. */
  readonly place?: Place | undefined;
}

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

/**
 * Whether these trunks may be carried by a drachtio server, which shows nobody's certificate: throws Fault
 * `drachtio-unproven` where nothing stands in for the proof.
 */
export function checkProven({ peersProvenBy, proxy, place }: ProvenOptions, trunks: readonly TrunkOptions[]): void {
  if (peersProvenBy === undefined) {
    throw new Fault('drachtio-unproven', undefined, {
      place,
      remedy:
        'Put the server on loopback behind a TLS edge that proves partners and write `peersProvenBy: edge`; or, where ' +
        'you answer for who connects from which address, write `peersProvenBy: administrator`.',
    });
  }
  if (peersProvenBy === 'edge') checkEdge(proxy, trunks, place);
  else for (const trunk of trunks) checkAddresses(trunk, place);
}

function checkEdge(proxy: string | undefined, trunks: readonly TrunkOptions[], place: Place | undefined): void {
  if (proxy === undefined) {
    throw new Fault('drachtio-unproven', 'Nothing says how requests reach the edge that proves partners.', {
      place,
      remedy: 'Add `proxy: "sip:127.0.0.1:5070;transport=tcp"`, where the edge takes what goes out.',
    });
  }
  if (trunks.some(({ kind }) => kind === 'home')) {
    throw new Fault('drachtio-unproven', 'Behind an edge everybody comes from its address, a home PBX too.', {
      place,
      remedy: 'Leave `home.sip` out, or let partners be told by their addresses: `peersProvenBy: administrator`.',
    });
  }
}

function checkAddresses({ kind, tls, id, addresses = [] }: TrunkOptions, place: Place | undefined): void {
  const home = kind === 'home';
  if (addresses.length > 0 || (home && !tls)) return;
  const remedy = home
    ? 'Add `addresses: ["192.0.2.9"]` to `home.sip`: where it connects from.'
    : 'Add `trunk: { addresses: ["192.0.2.7"] }` to its policy: where its server connects from.';
  throw new Fault('drachtio-unproven', `Nothing tells who is "${id}": no address is named.`, { place, remedy });
}

/**
 * Why a server that listens at these addresses, such as `tcp/127.0.0.1:5060`, must not be used: behind an edge it has
 * to be out of everybody else's reach.
 */
export function serverFault({ peersProvenBy, place }: ProvenOptions, addresses: readonly string[]): Fault | undefined {
  if (peersProvenBy !== 'edge') return undefined;
  const open = addresses.find((address) => !isOnLoopback(address));
  if (open === undefined && addresses.length > 0) return undefined;
  const where = open === undefined ? 'does not say where it listens' : `listens at ${open}`;
  return new Fault('drachtio-unproven', `The drachtio server ${where}: whoever connects there is proven by nobody.`, {
    place,
    remedy: 'Let it listen on loopback alone (`<contact>sip:127.0.0.1:5060;transport=tcp</contact>`), behind the edge.',
  });
}

/** Of `tls/192.0.2.1:5061` or `tcp/[::1]:5060`. */
function isOnLoopback(address: string): boolean {
  const host = /^[a-z]+\/\[?([^\]]*?)\]?:\d+$/i.exec(address)?.[1] ?? '';
  const family = isIP(host);
  return family !== 0 && loopback.check(host, family === 6 ? 'ipv6' : 'ipv4');
}
