import type { Peer } from '../../peers/peer.ts';
import type { End, Ground } from './rig.ts';

export type ServerKind = 'prosody' | 'ejabberd';

/** Of every component, that of the gateway's link included. */
const secret = 'component-secret';

export interface ServerPlan {
  readonly domain: string;
  /** Components that are domains of its own. */
  readonly own: readonly string[];
  /** Foreign domains that the gateway's link stands for. */
  readonly foreign?: readonly string[];
  readonly publish?: boolean;
}

/** Starts an XMPP server whose domains are components. */
export async function startServer(
  { world, acks }: Ground,
  kind: ServerKind,
  { domain, own, foreign = [], publish = true }: ServerPlan,
): Promise<Peer & { readonly pid: number | undefined }> {
  const wanted = {
    domain,
    publish,
    components: [
      ...own.map((name) => ({ domain: name, secret, own: true })),
      ...foreign.map((name) => ({ domain: name, secret })),
    ],
    certificate: await world.authority.issue({ domains: [domain, ...own] }),
  };
  return kind === 'prosody'
    ? await world.prosody({ ...wanted, modules: acks ? ['smacks'] : [] })
    : await world.ejabberd(wanted);
}

/** Makes an end of the rig that component of the server. */
export async function attach({ load, line }: End, { address, ports }: Peer, domain: string): Promise<void> {
  await load.do('dialServerAsComponent', { line, address, port: ports.component, domain, secret });
}
