import { constants, open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { z } from 'zod';
import { compilePartner } from './compile.ts';
import { type Reading, readDocument } from './document.ts';
import type { Place } from './fault.ts';
import { distinct, type Finding, inOrder } from './finding.ts';
import { FindingsFault } from './findings-fault.ts';
import type { PartnerPolicy } from './partner.ts';
import { type DefaultsDraft, defaultsSchema, type PartnerDraft, partnerSchema } from './schema.ts';
import { PolicySet } from './set.ts';

/** Most policy files of a folder: each is read and compiled again on every change. */
const FILES = 10_000;
/** Bytes of one policy file. */
const FILE_BYTES = 1_048_576;

/** What a folder of policies holds. `set` is undefined where a finding is an error: then keep what you had. */
export interface LoadedPolicies {
  readonly set: PolicySet | undefined;
  readonly findings: Finding[];
}

/**
 * Loads a folder of policies: `defaults.yaml` where there is one, and every other `*.yaml` or `*.yml` as one partner.
 * Hidden files and subfolders are left alone. Never rejects: what is wrong comes back as findings, sorted by place.
 * A folder that cannot be used is told where it is named, if that is given.
 */
export async function loadPolicies(dir: string, namedAt?: Place): Promise<LoadedPolicies> {
  const findings: Finding[] = [];
  try {
    const { partners, defaultsFiles } = await list(dir);
    const [first, second] = defaultsFiles;
    if (second !== undefined) findings.push(refused(join(dir, second), 'the defaults stand in two files', 'keep one'));
    const defaults = first === undefined ? undefined : await read(join(dir, first), defaultsSchema, findings, {});
    const usable = first === undefined || defaults !== undefined;
    const readings = await readPartners(dir, partners, findings);
    const set = new PolicySet(usable ? compiled(readings, defaults, findings) : []);
    findings.push(...disputes(set.partners));
    const sound = !findings.some((finding) => finding.severity === 'error');
    return { set: sound ? set : undefined, findings: distinct(inOrder(findings)) };
  } catch (error) {
    const remedy = 'check `policies` in the configuration, and who may read the folder';
    return {
      set: undefined,
      findings: [...findings, refused(dir, `the policies folder cannot be used: ${textOf(error)}`, remedy, namedAt)],
    };
  }
}

/** {@link loadPolicies}, or rejects with a {@link FindingsFault} `policy-invalid`. */
export async function requirePolicies(dir: string, namedAt?: Place): Promise<PolicySet> {
  const { set, findings } = await loadPolicies(dir, namedAt);
  if (set === undefined) throw new FindingsFault('policy-invalid', findings);
  return set;
}

async function list(dir: string): Promise<{ partners: string[]; defaultsFiles: string[] }> {
  const entries = await readdir(dir, { withFileTypes: true });
  const names = entries
    .filter((entry) => !entry.isDirectory() && /^[^.].*\.ya?ml$/i.test(entry.name))
    .map((entry) => entry.name)
    .sort();
  if (names.length > FILES) throw new RangeError(`it holds ${names.length} policy files, more than ${FILES}`);
  const isDefaults = (name: string) => /^defaults\.ya?ml$/i.test(name);
  return { partners: names.filter((name) => !isDefaults(name)), defaultsFiles: names.filter(isDefaults) };
}

async function readPartners(
  dir: string,
  names: readonly string[],
  findings: Finding[],
): Promise<Reading<PartnerDraft>[]> {
  const readings: Reading<PartnerDraft>[] = [];
  for (const name of names) {
    const reading = await read(join(dir, name), partnerSchema, findings);
    if (reading !== undefined) readings.push(reading);
  }
  return readings;
}

function compiled(
  readings: readonly Reading<PartnerDraft>[],
  defaults: Reading<DefaultsDraft> | undefined,
  findings: Finding[],
): PartnerPolicy[] {
  return readings.flatMap((reading) => {
    const result = compilePartner(reading, defaults);
    if ('partner' in result) return [result.partner];
    findings.push(...result.findings);
    return [];
  });
}

async function read<T>(
  file: string,
  schema: z.ZodType<T>,
  findings: Finding[],
  empty?: unknown,
): Promise<Reading<T> | undefined> {
  const text = await textOfFile(file);
  const result = typeof text === 'string' ? readDocument(text, file, schema, empty) : { findings: [text] };
  if (!('findings' in result)) return result;
  findings.push(...result.findings);
  return undefined;
}

async function textOfFile(file: string): Promise<string | Finding> {
  try {
    // Without O_NONBLOCK a FIFO in the folder would hold up the load for ever.
    await using handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK);
    const stat = await handle.stat();
    if (!stat.isFile()) return refused(file, 'this is no regular file', 'remove it from the folder');
    if (stat.size > FILE_BYTES) {
      return refused(file, `the file is larger than ${FILE_BYTES} bytes`, 'a policy is a few pages: shorten it');
    }
    return new TextDecoder('utf-8', { fatal: true }).decode(await handle.readFile());
  } catch (error) {
    if (error instanceof TypeError) return refused(file, 'the file is not UTF-8 text', 'save it as UTF-8');
    return refused(file, `the file cannot be read: ${textOf(error)}`, 'check who may read it');
  }
}

/** Two partners that claim one domain. */
function disputes(partners: readonly PartnerPolicy[]): Finding[] {
  const owners = new Map<string, Place>();
  const findings: Finding[] = [];
  for (const partner of partners) {
    for (const [pattern, place] of partner.claims) {
      const other = owners.get(pattern);
      if (other === undefined) owners.set(pattern, place);
      else {
        findings.push({
          severity: 'error',
          place,
          path: 'domains',
          message: `${pattern} is claimed by another partner already, at ${other.file}:${other.line}`,
          remedy: 'a domain belongs to one partner: remove it from one of the two files',
        });
      }
    }
  }
  return findings;
}

function refused(file: string, message: string, remedy: string, place = { file, line: 1, column: 1 }): Finding {
  return { severity: 'error', place, path: '', message, remedy };
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
