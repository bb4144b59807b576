import { z } from 'zod';
import { duration } from '../../policies/units.ts';
import { host, port } from './endpoint.ts';
import type { Secret } from './secret.ts';
import { secret } from './secret.ts';

const proxy = z
  .string()
  .max(255)
  .regex(/^sips?:[^\s<>"|@]+$/, 'a next hop is written `sip:127.0.0.1:5070;transport=tcp`')
  .meta({ title: 'SIP URI', examples: ['sip:127.0.0.1:5070;transport=tcp'] });

/** A drachtio server that carries the trunks in place of our own listeners. */
export const drachtio = (base: string) =>
  z
    .strictObject({
      host: host.prefault('127.0.0.1').describe('Where the drachtio server takes applications.'),
      port: port.default(9022).describe('Its port for applications, not that for SIP.'),
      secret: secret(base).describe('The secret of applications, the same in its `drachtio.conf.xml`.'),
      peersProvenBy: z
        .enum(['edge', 'administrator'])
        .optional()
        .describe(
          'Who answers for it that partners are who they say, for a drachtio server shows no certificate. `edge`: it ' +
            'listens on loopback alone, behind a TLS edge that proves them. `administrator`: you, by the ' +
            '`trunk.addresses` of their policies. There is no default: without this key nothing starts.',
        ),
      proxy: proxy
        .optional()
        .describe('Where all requests are sent first; with `peersProvenBy: edge` where the edge takes what goes out.'),
      connectTimeout: duration('1s', '1min').prefault('10s').describe('How long connecting to it may take.'),
    })
    .describe('A drachtio server carries the trunks: `listen`, `tcp`, `tls` and `limits` are then its own affair.');

export interface DrachtioWritten {
  readonly host: string;
  readonly secret: Secret;
  readonly peersProvenBy?: 'edge' | 'administrator' | undefined;
  readonly proxy?: string | undefined;
}

/** One thing to say about the section: a key of it, the message, and what helps. */
export interface DrachtioRemark {
  readonly severity: 'error' | 'warning';
  readonly key: keyof DrachtioWritten | undefined;
  readonly message: string;
  readonly remedy: string;
}

/** What is wrong or doubtful, as far as the file alone tells. */
export function drachtioRemarks(written: DrachtioWritten, hasHome: boolean, listens: boolean): DrachtioRemark[] {
  const remarks: DrachtioRemark[] = [];
  const { peersProvenBy, proxy } = written;
  const say = (
    ...[severity, key, message, remedy]: [DrachtioRemark['severity'], DrachtioRemark['key'], string, string]
  ) => remarks.push({ severity, key, message, remedy });
  if (peersProvenBy === undefined) {
    const message = 'a drachtio server shows no certificate, so nothing proves who a partner is';
    const remedy =
      'put it on loopback behind a TLS edge and write `peersProvenBy: edge`, or answer for the addresses of the ' +
      'partners yourself with `peersProvenBy: administrator`';
    say('error', undefined, message, remedy);
  }
  if (peersProvenBy === 'edge' && proxy === undefined) {
    const message = 'nothing says how requests reach the edge that proves partners';
    say('error', 'peersProvenBy', message, 'add `proxy: "sip:127.0.0.1:5070;transport=tcp"`');
  }
  if (peersProvenBy === 'edge' && hasHome) {
    const message = 'behind an edge everybody comes from its address, a PBX too';
    say('error', 'peersProvenBy', message, 'remove `home.sip`, or write `administrator`');
  }
  if (listens) {
    const message = 'the drachtio server carries the trunks, and SIP of our own listens as well';
    say('error', undefined, message, 'remove `edges.sip.listen` and `edges.sip.tcp`, or this section');
  }
  if (!isLoopback(written.host)) {
    const message =
      'the link to the drachtio server has no TLS: whoever is on the way reads the secret and all messages';
    say('warning', 'host', message, 'run it on this machine, or reach it through a tunnel');
  }
  return remarks;
}

function isLoopback(name: string): boolean {
  return name === 'localhost' || name === '::1' || /^127(?:\.\d{1,3}){3}$/.test(name);
}
