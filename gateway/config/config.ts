import { getServers } from 'node:dns';
import { open } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type { z } from 'zod';
import { readDocument, type Source } from '../../policies/document.ts';
import { Fault } from '../../policies/fault.ts';
import { type Finding, findingText, inOrder, pathText } from '../../policies/finding.ts';
import { gatewaySchema } from './schema.ts';
import { Secret } from './secret.ts';

export type { ListenAddress } from './endpoint.ts';
export { Secret } from './secret.ts';

/** Bytes of gateway.yaml. */
const FILE_BYTES = 1_048_576;

type Frozen<T> = T extends Secret
  ? T
  : T extends readonly (infer Item)[]
    ? readonly Frozen<Item>[]
    : T extends object
      ? { readonly [Key in keyof T]: Frozen<T[Key]> }
      : T;

type Written = z.output<ReturnType<typeof gatewaySchema>>;

/**
 * gateway.yaml with every default filled in, frozen. Durations are ms, sizes are bytes, rates are `Rate`, paths are
 * absolute; what each key means stands in the schema (`schema.ts`) and in the README's reference.
 */
export type Config = Frozen<
  Omit<Written, 'home' | 'edges' | 'dns'> & {
    /** The file it was read from, absolute. */
    file: string;
    home: Omit<Written['home'], 'sip'>;
    edges: Omit<Written['edges'], 'sip'>;
    dns: Written['dns'] & { servers: string[] };
  }
>;
export type HomeConfig = Config['home'];
export type ComponentHomeConfig = HomeConfig['xmpp'];
export type XmppEdgeConfig = Config['edges']['xmpp'];
export type XmppLimits = XmppEdgeConfig['limits'];
export type TlsConfig = Config['tls'];
export type DnsConfig = Config['dns'];
export type LogConfig = Config['log'];

/** A configuration that cannot be used, with everything that is wrong with it. */
export class ConfigFault extends Fault {
  readonly findings: readonly Finding[];

  constructor(findings: readonly Finding[]) {
    const errors = findings.filter((finding) => finding.severity === 'error');
    super('config-invalid', errors.map(findingText).join('\n'), { place: errors[0]?.place, remedy: errors[0]?.remedy });
    this.name = 'ConfigFault';
    this.findings = findings;
  }
}

/** Loads gateway.yaml. Rejects with {@link ConfigFault}, or with Fault `config-unreadable` where it cannot be read. */
export async function loadConfig(file: string): Promise<Config> {
  const { config, findings } = await readConfig(file);
  if (config === undefined) throw new ConfigFault(findings);
  return config;
}

/**
 * Reads gateway.yaml and says everything there is to say about it, warnings too; `config` is undefined where a finding
 * is an error. Rejects with Fault `config-unreadable`.
 */
export async function readConfig(
  file: string,
): Promise<{ readonly config: Config | undefined; readonly findings: Finding[] }> {
  return parseConfig(await textOf(file), file);
}

/** {@link readConfig} of a text that is at hand; `file` says where it belongs. */
export function parseConfig(
  text: string,
  file: string,
): { readonly config: Config | undefined; readonly findings: Finding[] } {
  const reading = readDocument(text, file, gatewaySchema(dirname(resolve(file))));
  if ('findings' in reading) return { config: undefined, findings: reading.findings };
  const findings = inOrder(remarks(reading.value, reading.source));
  if (findings.some((finding) => finding.severity === 'error')) return { config: undefined, findings };
  const { home, edges, dns, ...rest } = reading.value;
  const config: Config = {
    ...rest,
    file: resolve(file),
    home: { domains: home.domains, xmpp: home.xmpp },
    edges: { xmpp: edges.xmpp },
    dns: { ...dns, servers: dns.servers ?? getServers() },
  };
  return { config: deepFreeze(config), findings };
}

function remarks(written: Written, source: Source): Finding[] {
  const findings: Finding[] = [];
  const say = (severity: Finding['severity'], path: readonly string[], message: string, remedy: string) =>
    findings.push({ severity, place: source.keyPlace(path), path: pathText(path), message, remedy });
  if (written.edges.sip !== undefined) {
    say(
      'warning',
      ['edges', 'sip'],
      'this build carries no SIP and ignores this section',
      'remove `edges.sip` to be rid of this line',
    );
  }
  if (written.dns.dnssec === 'validate') {
    const message = 'this build does not validate DNSSEC itself yet: every answer counts as insecure';
    say('warning', ['dns', 'dnssec'], message, 'use `trust-ad` with a validating resolver on this machine, or `off`');
  }
  const { required } = written.edges.xmpp.tls;
  if (written.tls.certificates.length === 0) {
    const message = 'no certificate is named, so no stream can be secured';
    say(required ? 'error' : 'warning', ['tls', 'certificates'], message, 'add `tls.certificates: [{ cert, key }]`');
  }
  if (!required) {
    const message = 'streams without TLS are accepted: anyone on the way can read and change them';
    say('warning', ['edges', 'xmpp', 'tls', 'required'], message, 'set it to true');
  }
  const secrets = {
    'home.xmpp.secret': written.home.xmpp.secret,
    'edges.xmpp.dialback.secret': written.edges.xmpp.dialback.secret,
  };
  for (const [path, secret] of Object.entries(secrets)) {
    if (secret?.source !== 'plain') continue;
    say(
      'warning',
      path.split('.'),
      'the secret stands in the file in clear',
      'use `{ env: NAME }` or `{ file: path }`',
    );
  }
  return findings;
}

async function textOf(file: string): Promise<string> {
  try {
    await using handle = await open(file);
    const { size } = await handle.stat();
    if (size > FILE_BYTES) throw new RangeError(`it is larger than ${FILE_BYTES} bytes`);
    return new TextDecoder('utf-8', { fatal: true }).decode(await handle.readFile());
  } catch (cause) {
    throw new Fault('config-unreadable', `${file} cannot be read: ${reasonOf(cause)}`, {
      remedy: 'Check the path, who may read it, and that it is UTF-8 text; `drawbridge init` writes a new one.',
      cause,
    });
  }
}

function reasonOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}

function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || value instanceof Secret) return value;
  for (const part of Object.values(value)) deepFreeze(part);
  return Object.freeze(value);
}
