#!/usr/bin/env node
import module, { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

/**
 * The entry of the command line. Its own look at the version is for Node 22.18 to 23, which load TypeScript; what is
 * older cannot read this file at all, and is answered by `drawbridge.js`.
 */
const { engines } = createRequire(import.meta.url)('../package.json') as { engines: { node: string } };
const oldest = Number.parseInt(engines.node.replace('>=', ''), 10);

if (Number.parseInt(process.versions.node, 10) < oldest) {
  process.stderr.write(
    `error wrong-use: Drawbridge needs Node.js ${oldest} or newer; this is ${process.version}.\n` +
      '  → Use `npx drawbridge`, which finds the one that `npm install` brought.\n',
  );
  process.exitCode = 2;
} else {
  // Stripping types and compiling is half of a start. Kept beside the modules, not in a temporary folder where others may
  // write; where this folder cannot be written, Node goes without.
  module.enableCompileCache?.(fileURLToPath(new URL('../node_modules/.cache/drawbridge', import.meta.url)));
  // Imported only here: what an older Node cannot parse it must not see.
  const { drawbridge } = await import('./cli/program.ts');
  const { processTerminal } = await import('./cli/terminal.ts');
  process.exitCode = await drawbridge(process.argv.slice(2), processTerminal());
}
