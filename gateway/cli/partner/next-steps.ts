import type { Protocol } from '../../bridge/ports.ts';
import type { Config } from '../../config/config.ts';
import { pathText } from '../place-text.ts';

export interface NewPartner {
  readonly domain: string;
  readonly file: string;
  readonly via: Protocol;
  /** The home domain that it is shown. */
  readonly home: string;
}

/** What remains to be done by hand for a new partner. */
export function nextSteps({ domain, file, via, home }: NewPartner, config: Config): string[] {
  const named = pathText(config.file);
  const option = named === 'gateway.yaml' ? '' : ` -c ${named}`;
  const link =
    config.home.xmpp.link === 'component'
      ? [
          `let the local server hand ${domain} to the gateway: a component ${domain} on port ${config.home.xmpp.port}, with the secret of the others`,
        ]
      : [];
  return [
    `read through ${pathText(file)}, and narrow it; a running gateway takes it up by itself`,
    ...(via === 'sip' ? forTrunk(config, home) : []),
    ...link,
    `drawbridge partner test ${domain}${option}`,
  ];
}

function forTrunk({ edges }: Config, home: string): string[] {
  return [
    ...(edges.sip === undefined
      ? [
          'add `edges: { sip: { listen: ["0.0.0.0:5061"] } }` to gateway.yaml, and restart: without it there are no trunks',
        ]
      : []),
    `let the partner take up ${home}: it wants \`_sips._tcp.${home}\` in DNS, or this gateway's address, and trust in our certificate's authority`,
  ];
}
