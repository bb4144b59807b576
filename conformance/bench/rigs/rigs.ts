import { missingPackages } from '../../peers/available.ts';
import type { ServerKind } from './attached-server.ts';
import { betweenServers } from './between-servers.ts';
import { directRig } from './direct-rig.ts';
import { gatewayRig } from './gateway-rig.ts';
import { haproxyRig, nodePipeRig } from './pipe-rig.ts';
import type { Ground, Rig } from './rig.ts';
import { ejabberdRig, prosodyRig } from './server-rig.ts';

/** The hops that are compared; those whose packages are missing are left out. */
export interface Rigs {
  /** This gateway, keeping nothing of what is under way. */
  readonly forgetful: Rig;
  /** This gateway with its outbox: as it comes, synced for every group of messages, and synced now and then. */
  readonly durable: Rig;
  readonly relaxed: Rig;
  /** This gateway, keeping nothing, between two servers of a kind. */
  readonly betweenProsodies: Rig | undefined;
  readonly betweenEjabberds: Rig | undefined;
  readonly prosody: Rig | undefined;
  readonly ejabberd: Rig | undefined;
  readonly haproxy: Rig | undefined;
  readonly nodePipe: Rig;
  /** No hop. */
  readonly direct: Rig;
  readonly all: readonly Rig[];
}

const forgetful = 'outbox: { keep: false }';

/** Starts them all, one after the other. */
export async function openRigs(ground: Ground, note: (line: string) => void): Promise<Rigs> {
  const opened: Rig[] = [];
  const open = async (rig: Promise<Rig>): Promise<Rig> => {
    opened.push(await rig);
    note(`ready: ${(await rig).name}`);
    return rig;
  };
  const ours = (name: string, label: string, settings: string): Promise<Rig> =>
    open(gatewayRig(ground, { name, label: `Drawbridge, ${label}`, settings }));
  const between = (kind: ServerKind, name: string): Promise<Rig> =>
    open(betweenServers(ground, { kind, label: `Drawbridge, outbox off, ${name} at both ends`, settings: forgetful }));
  const has = (peer: 'prosody' | 'ejabberd' | 'haproxy'): boolean => missingPackages(peer).length === 0;
  return {
    forgetful: await ours('forgetful', 'outbox off', forgetful),
    durable: await ours('durable', 'outbox, fsync: commit', 'store: { fsync: commit }'),
    relaxed: await ours('relaxed', 'outbox, fsync: checkpoint', 'store: { fsync: checkpoint }'),
    betweenProsodies: has('prosody') ? await between('prosody', 'Prosody') : undefined,
    betweenEjabberds: has('ejabberd') ? await between('ejabberd', 'ejabberd') : undefined,
    prosody: has('prosody') ? await open(prosodyRig(ground)) : undefined,
    ejabberd: has('ejabberd') ? await open(ejabberdRig(ground)) : undefined,
    haproxy: has('haproxy') ? await open(haproxyRig(ground)) : undefined,
    nodePipe: await open(nodePipeRig(ground)),
    direct: await open(directRig(ground)),
    all: opened,
  };
}
