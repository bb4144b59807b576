import type { Config } from '../../config/config.ts';
import { pathText } from '../place-text.ts';

/** What remains to be done by hand for a new partner. */
export function nextSteps(domain: string, file: string, config: Config): string[] {
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
    ...link,
    `drawbridge partner test ${domain}${option}`,
  ];
}
