import { getServers } from 'node:dns';
import { open } from 'node:fs/promises';
import { isIP } from 'node:net';
import { dirname, resolve } from 'node:path';
import type { z } from 'zod';
import { readDocument, type Source } from '../../policies/document.ts';
import { Fault, type Place, systemText } from '../../policies/fault.ts';
import { type Finding, inOrder, keyPathText } from '../../policies/finding.ts';
import { FindingsFault } from '../../policies/findings-fault.ts';
import { drachtioRemarks } from './drachtio.ts';
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
  Omit<Written, 'dns'> & {
    /** The file it was read from, absolute. */
    file: string;
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
  const { dns, ...rest } = reading.value;
  const config: Config = {
    ...rest,
    file: resolve(file),
    dns: { ...dns, servers: dns.servers ?? getServers() },
  };
  return { config: deepFreeze(config), findings, place };
}

type Say = (severity: Finding['severity'], path: readonly string[], message: string, remedy: string) => void;

function sipRemarks({ edges: { sip }, home, tls }: Written, say: Say): void {
  if (home.sip !== undefined && sip === undefined) {
    say(
      'error',
      ['home', 'sip'],
      'a PBX is of use only where there are SIP trunks',
      'add `edges.sip: { listen: ["0.0.0.0:5061"] }`',
    );
  }
  if (sip === undefined) return;
  if (sip.drachtio !== undefined) {
    const listens = sip.listen.length + sip.tcp.length > 0;
    for (const { severity, key, message, remedy } of drachtioRemarks(sip.drachtio, home.sip !== undefined, listens)) {
      say(severity, ['edges', 'sip', 'drachtio', ...(key === undefined ? [] : [key])], message, remedy);
    }
  } else if (sip.listen.length === 0) {
    say('warning', ['edges', 'sip'], 'no trunk can reach us: SIP listens nowhere', 'add `listen: ["0.0.0.0:5061"]`');
  } else if (tls.certificates.length === 0) {
    say(
      'error',
      ['edges', 'sip', 'listen'],
      'trunks need TLS, and no certificate is named',
      'add `tls.certificates: [{ cert, key }]`',
    );
  }
  if (sip.tcp.length > 0 && home.sip?.tls !== false) {
    const remedy = 'remove it, or add `home.sip` with `tls: false`';
    say('warning', ['edges', 'sip', 'tcp'], 'there is no home PBX without TLS, so nobody is accepted here', remedy);
  }
  if (home.sip?.tls === false && home.sip.addresses === undefined && isIP(home.sip.host) === 0) {
    const message = 'nothing tells the PBX from anybody else: without TLS its address is all there is to know it by';
    say('error', ['home', 'sip', 'host'], message, 'add `addresses: ["192.0.2.9"]`, or write an IP address here');
  }
  if (home.sip?.tls === false && !isLoopback(home.sip.host)) {
    const message = 'the PBX is spoken to without TLS: anyone on the way can read and change what is said';
    say('warning', ['home', 'sip', 'tls'], message, 'set it to true');
  }
}

function isLoopback(name: string): boolean {
  return name === 'localhost' || name === '::1' || /^127(?:\.\d{1,3}){3}$/.test(name);
}

function remarks(written: Written, source: Source): Finding[] {
  const findings: Finding[] = [];
  const say: Say = (severity, path, message, remedy) =>
    findings.push({ severity, place: source.keyPlace(path), path: keyPathText(path), message, remedy });
  sipRemarks(written, say);
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
    'edges.sip.drachtio.secret': written.edges.sip?.drachtio?.secret,
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
