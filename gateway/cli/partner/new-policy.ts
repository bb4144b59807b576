import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { compilePartner } from '../../../policies/compile.ts';
import { type Reading, readDocument } from '../../../policies/document.ts';
import { Fault, systemText } from '../../../policies/fault.ts';
import { FindingsFault } from '../../../policies/findings-fault.ts';
import { requirePolicies } from '../../../policies/folder.ts';
import { lintPolicies } from '../../../policies/lint.ts';
import { type DefaultsDraft, defaultsSchema, partnerSchema } from '../../../policies/schema.ts';
import { PolicySet } from '../../../policies/set.ts';
import type { Checked } from '../check/checked.ts';
import { type Observation, ofFinding, warning } from '../observation.ts';
import { pathText } from '../place-text.ts';

/** The place that a new partner's policy takes: nothing stands there yet, and nobody has the domain. */
export interface FreePlace {
  readonly file: string;
  readonly domain: string;
  readonly policies: PolicySet;
  readonly defaults: Reading<DefaultsDraft> | undefined;
  readonly observations: readonly Observation[];
}

/** Rejects with Fault `policy-invalid` or `partner-exists` where the domain cannot become a partner. */
export async function freePlace(domain: string, { config, place }: Checked): Promise<FreePlace> {
  const policies = await requirePolicies(config.policies, place('policies'));
  const homeAt = config.home.domains.indexOf(domain);
  if (homeAt >= 0) {
    throw new Fault('partner-exists', `${domain} is a home domain: it is ours, and cannot be a partner.`, {
      place: place('home', 'domains', homeAt),
      remedy: 'name a domain of the partner',
    });
  }
  const owner = policies.partnerOf(domain);
  const claim = owner?.claims.get(domain);
  if (owner !== undefined && claim !== undefined) {
    throw new Fault('partner-exists', `${domain} belongs to the partner ${owner.name} already.`, {
      place: claim,
      remedy: `see \`drawbridge partner show ${domain}\`; edit that file, which this command never does`,
    });
  }
  const file = join(config.policies, domain === 'defaults' ? 'partner-defaults.yaml' : `${domain}.yaml`);
  if (existsSync(file)) throw taken(file);
  return {
    file,
    domain,
    policies,
    defaults: await readDefaults(config.policies),
    observations:
      owner === undefined
        ? []
        : [
            warning('policies', `${domain} was ${owner.name}'s by a wildcard; its own file goes before that`, {
              place: owner.place,
            }),
          ],
  };
}

/** Looks a text through as if it stood at its place; the findings that are about it. */
export function lintNew(text: string, at: FreePlace, stanzaBytes: number): Observation[] {
  const reading = readDocument(text, at.file, partnerSchema);
  if ('findings' in reading) throw new FindingsFault('policy-invalid', reading.findings);
  const compiled = compilePartner(reading, at.defaults);
  if ('findings' in compiled) throw new FindingsFault('policy-invalid', compiled.findings);
  const set = new PolicySet([...at.policies.partners, compiled.partner]);
  const findings = lintPolicies(set, { stanzaBytes });
  return findings.filter(({ place }) => place.file === at.file).map((finding) => ofFinding('policies', finding));
}

/** Writes a policy where none stands. Rejects with Fault `partner-exists`, or `policy-invalid` where it cannot be written. */
export async function writeNew(text: string, file: string): Promise<void> {
  try {
    await writeFile(file, text, { flag: 'wx', mode: 0o644 });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST') throw taken(file);
    throw new Fault('policy-invalid', `${file} cannot be written: ${systemText(cause)}`, {
      remedy: 'let this user write to the policies folder',
      cause,
    });
  }
}

function taken(file: string): Fault {
  return new Fault('partner-exists', `${pathText(file)} is there already, and nothing is overwritten.`, {
    remedy: 'edit that file, or move it away',
  });
}

/** The folder has been loaded without an error, so what stands in its defaults can be read. */
async function readDefaults(folder: string): Promise<Reading<DefaultsDraft> | undefined> {
  for (const name of ['defaults.yaml', 'defaults.yml']) {
    const file = join(folder, name);
    const text = await readFile(file, 'utf8').catch(() => undefined);
    if (text === undefined) continue;
    const reading = readDocument(text, file, defaultsSchema, {});
    return 'findings' in reading ? undefined : reading;
  }
  return undefined;
}
