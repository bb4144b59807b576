import { once } from 'node:events';
import { BlockList, createServer, isIP, type Server } from 'node:net';
import { endpointText } from '../../../policies/address.ts';
import type { Place } from '../../../policies/fault.ts';
import type { ListenAddress } from '../../config/config.ts';
import { listenRemedy } from '../../listen-fault.ts';
import { error, type Observation, ok, warning } from '../observation.ts';
import type { Checked } from './checked.ts';

export interface ListenerCheck {
  readonly observations: Observation[];
  /** Whether somebody listens where our edge would: most likely this gateway, running. */
  readonly inUse: boolean;
}

interface Listener {
  readonly address: ListenAddress;
  readonly what: string;
  readonly place: Place;
}

/** Takes every address for a moment that the gateway is to listen on. */
export async function checkListeners({ config, place }: Checked): Promise<ListenerCheck> {
  const { listen, directTls } = config.edges.xmpp;
  const local = config.home.xmpp;
  const listener =
    (section: string, kind: string, what: string, protocol = 'xmpp') =>
    (address: ListenAddress, index: number) => ({ address, what, place: place(section, protocol, kind, index) });
  const edge = [
    ...listen.map(listener('edges', 'listen', 'streams with STARTTLS')),
    ...directTls.map(listener('edges', 'directTls', 'streams with direct TLS')),
  ];
  const { sip } = config.edges;
  const trunks = [
    ...(sip?.listen ?? []).map(listener('edges', 'listen', 'SIP trunks', 'sip')),
    ...(sip?.tcp ?? []).map(listener('edges', 'tcp', 'the home PBX without TLS', 'sip')),
  ];
  const clients =
    local.link === 'component'
      ? []
      : [
          ...local.listen.map(listener('home', 'listen', 'clients')),
          ...local.directTls.map(listener('home', 'directTls', 'clients with direct TLS')),
          ...local.webSocket.map(listener('home', 'webSocket', 'clients over WebSocket')),
          ...local.proxiedWebSocket.map(listener('home', 'proxiedWebSocket', 'clients over a WebSocket proxy')),
        ];
  const admin: Listener[] =
    config.admin === undefined
      ? []
      : [{ address: config.admin.listen, what: 'metrics', place: place('admin', 'listen') }];
  const observations: Observation[] = [...admin.flatMap(exposed), ...nowhere(edge, place('edges', 'xmpp'))];
  const held: { readonly listener: Listener; readonly server: Server }[] = [];
  let inUse = false;
  for (const one of [...edge, ...trunks, ...clients, ...admin]) {
    const server = createServer();
    const problem = await problemOf(server, one.address);
    if (problem === undefined) held.push({ listener: one, server });
    const rival = held.find(
      ({ listener: { address } }) => problem === 'EADDRINUSE' && address.port === one.address.port,
    );
    inUse ||= problem === 'EADDRINUSE' && rival === undefined && edge.includes(one);
    observations.push(observed(one, problem, rival?.listener));
  }
  await Promise.all(held.map(({ server }) => server[Symbol.asyncDispose]()));
  return { observations, inUse };
}

function observed({ address, what, place }: Listener, problem: string | undefined, rival?: Listener): Observation {
  const name = endpointText(address);
  if (rival !== undefined) {
    const remedy = 'give every listener a port of its own';
    return error('listeners', `${name} overlaps with ${endpointText(rival.address)}`, { place, remedy });
  }
  if (problem === undefined) return ok('listeners', `${name} is free for ${what}`);
  const detail = { place, remedy: listenRemedy(problem) };
  switch (problem) {
    case 'EADDRINUSE':
      return warning('listeners', `${name}, for ${what}, is in use`, detail);
    case 'EACCES':
      return error('listeners', `${name} needs a privilege that this user has not`, detail);
    default:
      return error('listeners', `${name} cannot be listened on: ${problem}`, detail);
  }
}

/** The error code of an attempt to listen, undefined where it went well. */
async function problemOf(server: Server, { host, port }: ListenAddress): Promise<string | undefined> {
  try {
    server.listen({ host, port, exclusive: true });
    await once(server, 'listening');
    return undefined;
  } catch (thrown) {
    return (thrown as NodeJS.ErrnoException).code ?? String(thrown);
  }
}

function nowhere(edge: readonly Listener[], place: Place): Observation[] {
  if (edge.length > 0) return [];
  const remedy = 'add `listen: ["0.0.0.0:5269"]`';
  return [warning('listeners', 'the edge listens nowhere, so no partner can reach us', { place, remedy })];
}

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

/** Metrics say who talks with whom, and the listener asks nobody for a password. */
function exposed({ address, place }: Listener): Observation[] {
  const { host } = address;
  if (host === 'localhost' || loopback.check(host, isIP(host) === 6 ? 'ipv6' : 'ipv4')) return [];
  const message = `${endpointText(address)} shows metrics to whoever can reach it`;
  return [warning('listeners', message, { place, remedy: 'listen on 127.0.0.1, or keep others away with a firewall' })];
}
