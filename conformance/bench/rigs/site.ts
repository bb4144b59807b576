import type { KeyPair } from '../../peers/authority.ts';
import { publishXmpp } from '../../peers/dns.ts';
import type { Endpoint } from '../load/endpoint.ts';
import type { Direction, Ground, Way } from './rig.ts';

/** What every rig needs around its hop: two organisations, and one address for the ports of both ends. */
export interface Site {
  readonly name: string;
  readonly home: string;
  readonly partner: string;
  /** Of the partner. */
  readonly certificate: KeyPair;
  readonly address: string;
}

/** The connections of the two ends by name, for the ways that begin or end there. */
export interface LineNames {
  readonly partner: Readonly<Record<Direction, string>>;
  readonly home: Readonly<Record<Direction, string>>;
}

export async function newSite({ world }: Ground, name: string): Promise<Site> {
  const partner = `${name}.p.example`;
  return {
    name,
    home: `${name}.h.example`,
    partner,
    certificate: await world.authority.issue({ domains: [partner] }),
    address: world.loopback.address(),
  };
}

/** A component link carries both directions, and so does one connection of the home side. */
export function linkedLines({ name }: Site): LineNames {
  const home = `${name}: home`;
  return { ...pipedLines({ name }), home: { inbound: home, outbound: home } };
}

/** A byte pipe has a connection of its own for each direction. */
export function pipedLines({ name }: Pick<Site, 'name'>): LineNames {
  const both = (side: string) => ({ inbound: `${name}: ${side}, inbound`, outbound: `${name}: ${side}, outbound` });
  return { partner: both('partner'), home: both('home') };
}

export function waysOf(ground: Ground, site: Site, { partner, home }: LineNames): Readonly<Record<Direction, Way>> {
  const end = (side: 'partner' | 'home', line: string) => ({ load: ground[side], line });
  return {
    inbound: {
      from: end('partner', partner.inbound),
      to: end('home', home.inbound),
      pair: { from: site.partner, to: site.home },
    },
    outbound: {
      from: end('home', home.outbound),
      to: end('partner', partner.outbound),
      pair: { from: site.home, to: site.partner },
    },
  };
}

/** Starts the partner's server, for the streams that the hop will open, and publishes it. */
export async function servePartner({ partner, acks, world }: Ground, site: Site, lines: LineNames): Promise<void> {
  const { address, certificate } = site;
  const { inbound: replies, outbound: line } = lines.partner;
  const port = await partner.do('serveServer', { line, replies, address, certificate, acks });
  publishXmpp(world.dns, site.partner, [{ host: address, port }]);
}

/** Opens the partner's stream to the hop. */
export async function dialHop(ground: Ground, site: Site, lines: LineNames, hop: Endpoint): Promise<void> {
  const { certificate, partner: from, home: to } = site;
  const details = { line: lines.partner.inbound, ...hop, from, to, certificate, acks: ground.acks };
  await ground.partner.do('dialServer', details);
}

/** Sends one stanza out, so that the hop opens its stream to the partner. Resolves when it has arrived. */
export async function openOutbound({ from, to, pair }: Way): Promise<void> {
  await from.load.do('send', { line: from.line, pair, ms: 1, rate: 1000 });
  await to.load.do('arrived', { line: to.line, count: 1 });
}
