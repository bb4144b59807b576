import { getServers } from 'node:dns';
import { open } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type { z } from 'zod';
import { readDocument, type Source } from '../../policies/document.ts';
import { Fault, type Place, systemText } from '../../policies/fault.ts';
import { type Finding, inOrder, keyPathText } from '../../policies/finding.ts';
import { FindingsFault } from '../../policies/findings-fault.ts';
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

/** `home.xmpp` with `link: component`. */
export type ComponentLink = Extract<Config['home']['xmpp'], { readonly link: 'component' }>;

/** `home.xmpp` with `link: embedded`. */
export type EmbeddedLink = Extract<Config['home']['xmpp'], { readonly link: 'embedded' }>;

/** Where a key of gateway.yaml stands; where it is not written, its nearest ancestor that is. */
export type KeyPlaces = (...path: readonly PropertyKey[]) => Place;

/** A gateway.yaml that was read: everything there is to say about it, warnings too. */
export interface ConfigReading {
  /** Undefined where a finding is an error. */
  readonly config: Config | undefined;
  readonly findings: readonly Finding[];
  readonly place: KeyPlaces;
}

/** A {@link ConfigReading} without an error. */
export interface SoundReading extends ConfigReading {
  readonly config: Config;
}

/**
 * Reads a gateway.yaml that is to be used. Rejects with a {@link FindingsFault} `config-invalid` that has everything
 * that is wrong with it, or with Fault `config-unreadable`.
 */
export async function requireConfig(file: string): Promise<SoundReading> {
  const { config, findings, place } = await readConfig(file);
  if (config === undefined) throw new FindingsFault('config-invalid', findings);
  return { config, findings, place };
}

/** Reads a gateway.yaml. Rejects with Fault `config-unreadable`. */
export async function readConfig(file: string): Promise<ConfigReading> {
  return parseConfig(await textOf(file), file);
}

/** {@link readConfig} of a text that is at hand; `file` says where it belongs. */
export function parseConfig(text: string, file: string): ConfigReading {
  const reading = readDocument(text, file, gatewaySchema(dirname(resolve(file))));
  if ('findings' in reading) {
    return { config: undefined, findings: reading.findings, place: () => ({ file, line: 1, column: 1 }) };
  }
  const place: KeyPlaces = (...path) => reading.source.place(path);
  const findings = inOrder(remarks(reading.value, reading.source));
  if (findings.some((finding) => finding.severity === 'error')) return { config: undefined, findings, place };
  const { home, edges, dns, ...rest } = reading.value;
  const config: Config = {
    ...rest,
    file: resolve(file),
    home: { domains: home.domains, xmpp: home.xmpp },
    edges: { xmpp: edges.xmpp },
    dns: { ...dns, servers: dns.servers ?? getServers() },
  };
  return { config: deepFreeze(config), findings, place };
}

function remarks(written: Written, source: Source): Finding[] {
  const findings: Finding[] = [];
  const say = (severity: Finding['severity'], path: readonly string[], message: string, remedy: string) =>
    findings.push({ severity, place: source.keyPlace(path), path: keyPathText(path), message, remedy });
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
  const local = written.home.xmpp;
  if (local.link === 'embedded' && !local.tls.required) {
    const message = 'clients without TLS are accepted: anyone on the way can read and change what they send';
    say('warning', ['home', 'xmpp', 'tls', 'required'], message, 'set it to true');
  }
  const secrets = {
    'home.xmpp.secret': local.link === 'component' ? local.secret : undefined,
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
    throw new Fault('config-unreadable', `${file} cannot be read: ${systemText(cause)}`, {
      remedy: 'Check the path, who may read it, and that it is UTF-8 text; `drawbridge init` writes a new one.',
      cause,
    });
  }
}

function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || value instanceof Secret) return value;
  for (const part of Object.values(value)) deepFreeze(part);
  return Object.freeze(value);
}
