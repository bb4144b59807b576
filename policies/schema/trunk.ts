import { z } from 'zod';
import { foldDomain } from '../address.ts';
import { duration, type Measured, size, through } from '../units.ts';
import { domain } from './names.ts';

/** Most servers and most networks one partner names. */
const HOSTS = 64;
const NETWORKS = 1_000;

/** What a MESSAGE may have where nobody knows the hops behind the partner's server (RFC 3428 §8). */
const PAGE_BYTES = 1_300;

/** A SIP server of the partner. */
export interface TrunkHost {
  /** A folded name, or an IP address without brackets. */
  readonly host: string;
  /** Without it RFC 3263 says which. */
  readonly port?: number | undefined;
}

/** Where a password is: never in the policy itself, which many may read. `file` is relative to the policies folder. */
export type PasswordPlace = { readonly env: string } | { readonly file: string };

const trunkHost = z
  .string()
  .min(1)
  .max(300)
  .transform(through(readHost))
  .meta({ title: 'host or host:port', examples: ['sbc.fabrikam.example', '192.0.2.7:5061', '[2001:db8::7]:5061'] });

/** An IP address, or a network in CIDR notation. */
export const network = z
  .string()
  .min(1)
  .max(64)
  .transform(through(readNetwork))
  .meta({ title: 'IP or CIDR', examples: ['192.0.2.7', '192.0.2.0/24', '2001:db8::/32'] });

export const trunk = z
  .strictObject({
    hosts: z
      .array(trunkHost)
      .min(1)
      .max(HOSTS)
      .optional()
      .describe("The partner's SIP servers, in the order to try. Without this key DNS tells (RFC 3263)."),
    addresses: z
      .array(network)
      .min(1)
      .max(NETWORKS)
      .optional()
      .describe('Where its connections may come from, besides what its certificate proves. Without this key anywhere.'),
    as: domain.optional().describe('Which home domain we show it at the trunk. Without this key the first.'),
    allowWildcardCertificate: z
      .boolean()
      .default(false)
      .describe('Whether a certificate for `*.domain` proves the partner, which RFC 5922 §7.2 forbids.'),
    ping: duration('10s', '1h')
      .optional()
      .describe('How often its servers are asked whether they live (OPTIONS). Without this key every 30 s.'),
    credentials: z
      .strictObject({
        username: z.string().min(1).max(255).describe('The user name.'),
        password: z
          .union(
            [
              z.strictObject({
                env: z.string().regex(/^[A-Za-z_]\w*$/, 'an environment variable is letters, digits and `_`'),
              }),
              z.strictObject({ file: z.string().min(1).max(4_096) }),
            ],
            { error: 'expected `{ env: NAME }` or `{ file: path }`' },
          )
          .meta({ title: '`{ env: NAME }` or `{ file: path }`' })
          .describe('Where the password is.'),
      })
      .optional()
      .describe('What we answer where its servers ask for a password (digest).'),
    receipts: z
      .enum(['none', 'imdn'])
      .default('none')
      .describe(
        'How delivery receipts cross: `imdn` asks for and gives notifications by RFC 5438; `none`, not at all.',
      ),
    messageBytes: size('1300B', '256KiB')
      .prefault(PAGE_BYTES)
      .describe(
        'The longest MESSAGE as a whole; a longer one comes back. RFC 3428 §8 allows more than 1300 only where every ' +
          'hop to the recipient runs over TCP or TLS.',
      ),
    sipsToXmpp: z
      .boolean()
      .default(false)
      .describe(
        'Whether messages to `sips:` addresses cross, though XMPP cannot promise TLS on every hop: both sides must ' +
          'have agreed on it (RFC 7247 §8).',
      ),
  })
  .describe("The partner's SIP trunk. Without this section what the defaults of its keys say.");

/** `trunk` as read: what a partner has that speaks SIP and says no more. */
export const PLAIN_TRUNK: z.output<typeof trunk> = Object.freeze(trunk.parse({}));

const HOST = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]\s]+))(?::(\d{1,5}))?$/;
const IPV4 = /^(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?!$)|$)){4}$/;

function readHost(text: string): Measured<TrunkHost> {
  const [, ipv6, other = '', digits] = HOST.exec(text) ?? [];
  const named = ipv6 === undefined ? foldDomain(other) : isIpv6(ipv6) ? ipv6 : undefined;
  const port = digits === undefined ? undefined : Number(digits);
  const reachable = port === undefined || (port >= 1 && port <= 65_535);
  if (named !== undefined && reachable) return { value: { host: named, port } };
  const remedy = 'write `sbc.fabrikam.example`, `192.0.2.7:5061` or `[2001:db8::7]:5061`';
  return { problem: `\`${text}\` is no SIP server`, remedy };
}

function readNetwork(text: string): Measured<string> {
  const [address = '', prefix, ...more] = text.split('/');
  const bits = IPV4.test(address) ? 32 : isIpv6(address) ? 128 : 0;
  const length = prefix === undefined ? bits : /^\d{1,3}$/.test(prefix) ? Number(prefix) : Number.NaN;
  if (bits > 0 && length <= bits && more.length === 0) return { value: text };
  return { problem: `\`${text}\` is no network`, remedy: 'write an IP address, or a network such as `192.0.2.0/24`' };
}

function isIpv6(text: string): boolean {
  return text.includes(':') && /^[0-9a-fA-F:.]+$/.test(text) && URL.canParse(`http://[${text}]`);
}
