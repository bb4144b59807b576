#!/usr/bin/env node
/** The entry of the command line. `drawbridge.js` stands before it for whoever has an older Node. */

if (Number.parseInt(process.versions.node, 10) < 24) {
  process.stderr.write(
    `error wrong-use: Drawbridge needs Node.js 24 or newer; this is ${process.version}.\n` +
      '  → Use `npx drawbridge`, which finds the one that `npm install` brought.\n',
  );
  process.exitCode = 2;
} else {
  // Imported only here: what an older Node cannot parse it must not see.
  const { drawbridge } = await import('./cli/program.ts');
  const { processTerminal } = await import('./cli/terminal.ts');
  process.exitCode = await drawbridge(process.argv.slice(2), processTerminal());
}
