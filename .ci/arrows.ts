import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * Holds the arrows of the house: which room may import from which (README, "How it is built"), and that no imports go
 * in circles. Types count: a type from upstairs is a wall broken as much as a function is.
 */
const root = fileURLToPath(new URL('..', import.meta.url));

/** Plain words any floor may use. */
const words = ['policies/reasons.ts', 'policies/fault.ts', 'policies/address.ts'];
/** The seams of the middle: plain data and the ports that carry it. */
const seams = ['gateway/bridge/ports.ts', 'gateway/bridge/stanza.ts', 'gateway/bridge/journal.ts'];

/** The first entry whose path a file starts with says what it may import. */
const rooms: readonly (readonly [room: string, ...mayImport: string[]])[] = [
  ['policies/', 'policies/'],
  ['pki/', 'pki/', ...words],
  ['gateway/dns/', 'gateway/dns/', ...words],
  ['gateway/store/', 'gateway/store/', ...words],
  ['gateway/interwork/', 'gateway/interwork/', ...words],
  ['gateway/xmpp/', 'gateway/xmpp/', 'gateway/dns/', 'pki/', ...seams, ...words],
  ['gateway/sip/', 'gateway/sip/', 'gateway/interwork/', 'gateway/dns/', 'pki/', ...seams, ...words],
  ['gateway/home/', 'gateway/home/', 'gateway/xmpp/', 'gateway/sip/', 'gateway/store/', ...seams, ...words],
  ['gateway/media/', 'gateway/media/', ...seams, ...words],
  ['gateway/bridge/', 'gateway/bridge/', 'gateway/store/', 'gateway/audit/', 'policies/'],
  [
    'gateway/calls/',
    'gateway/calls/',
    'gateway/sip/port.ts',
    'gateway/bridge/',
    'gateway/store/',
    'gateway/audit/',
    'policies/',
  ],
  ['gateway/rooms/', 'gateway/rooms/', 'gateway/bridge/', 'gateway/calls/', 'gateway/store/', 'policies/'],
  ['gateway/audit/', 'gateway/audit/', 'gateway/store/', ...words],
  ['gateway/admin/', 'gateway/admin/', ...words],
  ['gateway/config/', 'gateway/config/', 'policies/'],
  ['gateway/demo/', 'gateway/', 'policies/', 'pki/'],
  ['gateway/cli/', 'gateway/', 'policies/', 'pki/', 'package.json'],
  ['gateway/', 'gateway/', 'policies/', 'pki/', 'package.json'],
  ['conformance/', 'conformance/', 'gateway/', 'policies/', 'pki/'],
  ['deploy/', 'deploy/', 'gateway/', 'policies/', 'pki/'],
];

/** Tests and their fixtures reach where they must. */
const isTest = (file: string): boolean => /(\.test|\.fixture)\.ts$|\/testing\//.test(file);

const files = [...new Set(rooms.map(([room]) => room.split('/')[0] as string))].flatMap(sources);
const imports = new Map(files.map((file) => [file, importsOf(file)]));
const faults = [...strayArrows(), ...homeless(), ...impure(), ...circles()];
for (const fault of faults) console.error(fault);
console.log(`arrows: ${files.length} files, ${faults.length} faults`);
process.exitCode = faults.length === 0 ? 0 : 1;

function sources(folder: string): string[] {
  try {
    return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts') && !file.endsWith('.d.ts') && !file.includes('node_modules'))
      .map((file) => join(folder, file));
  } catch {
    return [];
  }
}

function importsOf(file: string): string[] {
  const text = readFileSync(join(root, file), 'utf8');
  const specifiers = [
    ...text.matchAll(/^\s*(?:import|export)\b[^'"]*?from\s*['"](\.[^'"]+)['"]|import\(['"](\.[^'"]+)['"]\)/gm),
  ];
  return specifiers.map((match) => relative(root, normalize(join(root, dirname(file), match[1] ?? match[2] ?? ''))));
}

function strayArrows(): string[] {
  return files
    .filter((file) => !isTest(file))
    .flatMap((file) => {
      const [, ...mayImport] = rooms.find(([room]) => file.startsWith(room)) ?? [''];
      return (imports.get(file) ?? [])
        .filter((target) => !mayImport.some((room) => target.startsWith(room)))
        .map((target) => `${file} must not import ${target}`);
    });
}

/** A new folder needs an entry of its own before anything stands in it. */
function homeless(): string[] {
  return files
    .filter((file) => file.startsWith('gateway/') && file.split('/').length > 2)
    .filter((file) => !rooms.some(([room]) => room !== 'gateway/' && file.startsWith(room)))
    .map((file) => `${file} stands in a folder without an entry in .ci/arrows.ts`);
}

/** Pure floors open no sockets; what they know of time is passed in. */
function impure(): string[] {
  return files
    .filter((file) => /^(policies|gateway\/interwork)\//.test(file) && !isTest(file))
    .flatMap((file) => {
      const text = readFileSync(join(root, file), 'utf8');
      const found = /from 'node:(net|tls|dgram|http|https|dns)[/']|\bDate\.now\(|\bnew Date\(\)|\bMath\.random\(/.exec(
        text,
      );
      return found === null ? [] : [`${file} must be pure: ${found[0]}`];
    });
}

function circles(): string[] {
  const found = new Set<string>();
  const done = new Set<string>();
  const walk = (file: string, trail: string[]): void => {
    const at = trail.indexOf(file);
    if (at >= 0) found.add(`circle: ${[...trail.slice(at), file].join(' → ')}`);
    if (at >= 0 || done.has(file)) return;
    for (const target of imports.get(file) ?? []) walk(target, [...trail, file]);
    done.add(file);
  };
  for (const file of files) walk(file, []);
  return [...found];
}
