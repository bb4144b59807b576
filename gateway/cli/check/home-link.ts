import { once } from 'node:events';
import { connect } from 'node:net';
import { endpointText } from '../../../policies/address.ts';
import { Fault, type Place } from '../../../policies/fault.ts';
import type { PartnerPolicy } from '../../../policies/partner.ts';
import { errorReply } from '../../bridge/reply.ts';
import type { EmbeddedLink } from '../../config/config.ts';
import { linkOptions } from '../../gateway-options.ts';
import { ComponentStream } from '../../home/component-stream.ts';
import { PeerStreamFault } from '../../xmpp/stream-error.ts';
import { error, type Observation, ofThrown, ok, warning } from '../observation.ts';
import type { Checked } from './checked.ts';
import { inParallel } from './in-parallel.ts';

/** How long the home server may take to accept a connection or a handshake, ms. */
const PROBE_MS = 5_000;
/** Handshakes at a time, and in all: a first hundred tells what is wrong with the rest. */
const WIDTH = 20;
const DOMAINS = 100;

export interface HomeLinkContext {
  readonly partners: readonly PartnerPolicy[];
  /** Whether the gateway seems to run: then its links stand, and a second one would break or split them. */
  readonly running: boolean;
}

/** The link to the local server: its secret, whether it accepts, and a handshake (XEP-0114) for each partner domain. */
export async function checkHomeLink(at: Checked, { partners, running }: HomeLinkContext): Promise<Observation[]> {
  const local = at.config.home.xmpp;
  if (local.link === 'embedded') return embedded(local, at.place('home', 'xmpp'));
  const { host, port, secret } = local;
  const place = at.place('home', 'xmpp');
  const address = endpointText({ host, port });
  const [phrase, refusal] = await Promise.all([
    secret.reveal().catch((thrown: unknown) => ofThrown('home', thrown, at.place('home', 'xmpp', 'secret'))),
    refusalOf(host, port),
  ]);
  const missing = typeof phrase === 'string' ? [] : [phrase];
  if (refusal !== undefined) {
    const message = `no component link: ${address} does not accept connections (${refusal})`;
    const remedy = `start the local XMPP server; Prosody needs \`component_ports = { ${port} }\` and a Component section`;
    return [...missing, error('home', message, { place, remedy })];
  }
  if (typeof phrase !== 'string') return missing;
  if (running) return [ok('home', `${address} accepts; the running gateway has its links, so no handshake was tried`)];
  const domains = [...new Set(partners.flatMap(({ exactDomains }) => exactDomains))];
  if (domains.length === 0) return [ok('home', `${address} accepts; handshakes are tried once there is a partner`)];
  const probed = domains.slice(0, DOMAINS);
  const observations = await inParallel(probed, WIDTH, (domain) => handshake(at, domain, phrase, place));
  const rest = domains.length - probed.length;
  return rest === 0 ? observations : [...observations, ok('home', `${rest} further partner domains were not tried`)];
}

/** Nothing to link with; whether its addresses are free is found with all other listeners. */
function embedded(link: EmbeddedLink, place: Place): Observation[] {
  const { listen, directTls, webSocket, proxiedWebSocket } = link;
  if ([listen, directTls, webSocket, proxiedWebSocket].some(({ length }) => length > 0))
    return [ok('home', 'the gateway serves the local users itself (embedded)')];
  const remedy = 'add `listen: ["127.0.0.1:5222"]`';
  return [warning('home', 'the embedded home listens nowhere, so no local user can sign in', { place, remedy })];
}

/** Why no connection can be made; undefined where one can. */
async function refusalOf(host: string, port: number): Promise<string | undefined> {
  const socket = connect({ host, port });
  try {
    await once(socket, 'connect', { signal: AbortSignal.timeout(PROBE_MS) });
    return undefined;
  } catch (thrown) {
    const { name, code } = thrown as NodeJS.ErrnoException;
    return name === 'AbortError' ? `no answer in ${PROBE_MS / 1000} s` : (code ?? String(thrown));
  } finally {
    socket.destroy();
  }
}

async function handshake({ config }: Checked, domain: string, secret: string, place: Place): Promise<Observation> {
  const closed = Promise.withResolvers<void>();
  const stream = new ComponentStream(
    { ...linkOptions(config, secret), domain, connectTimeoutMs: PROBE_MS },
    {
      // For as long as the link stands, what local users send must not vanish.
      stanza: (stanza) => {
        const reply = errorReply(stanza, 'shutting-down');
        if (reply !== undefined) stream.send(reply);
        return true;
      },
      delivered: () => undefined,
      room: () => undefined,
      closed: () => closed.resolve(),
    },
  );
  try {
    await stream.negotiate();
    return ok('home', `the local server takes ${domain} as a component`);
  } catch (thrown) {
    return refused(domain, thrown, place);
  } finally {
    stream.close(new Fault('shutting-down'));
    await closed.promise;
  }
}

/** What the stream errors of servers mean here. */
function refused(domain: string, thrown: unknown, place: Place): Observation {
  switch (thrown instanceof PeerStreamFault ? thrown.condition : undefined) {
    case 'not-authorized':
      return error('home', `the local server has another secret for the component ${domain}`, {
        place,
        remedy: `make \`component_secret\` of Component "${domain}" the secret that \`home.xmpp.secret\` names`,
      });
    case 'host-unknown':
      return error('home', `the local server has no component ${domain}`, {
        place,
        remedy: `add \`Component "${domain}"\` with \`component_secret\` to Prosody's configuration, and reload it`,
      });
    case 'conflict':
      return warning('home', `another component link for ${domain} stands already`, {
        place,
        remedy: 'nothing to do if it is this gateway that runs; else find who holds it',
      });
    default:
      return error('home', `the component link for ${domain} fails: ${ofThrown('home', thrown).message}`, {
        place,
        remedy: "look at the local server's log",
      });
  }
}
