#!/usr/bin/env -S node --max-semi-space-size=4
// The launcher. Plain JavaScript, because a Node that is too old cannot load TypeScript, not even to say so. The option
// keeps V8's young generation at 4 MiB a half: left alone it grows to 16 when a thousand streams open at once and never
// shrinks, and nothing is the faster for it.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const require = createRequire(import.meta.url);
/** The oldest major version that `engines` in package.json allows. */
const oldest = Number.parseInt(require('../package.json').engines.node.replace('>=', ''), 10);

if (Number.parseInt(process.versions.node, 10) >= oldest) await import('./main.ts');
else runOnPinnedNode();

/** The npm package `node`, a development dependency, brings a Node that is new enough. */
function runOnPinnedNode() {
  const node = pinnedNode();
  if (node === undefined) {
    console.error(
      `error wrong-use: Drawbridge needs Node.js ${oldest} or newer; this is ${process.version}.\n` +
        `  → Install Node.js ${oldest}, or run \`npm install\` in this folder, which brings one.`,
    );
    process.exitCode = 2;
    return;
  }
  const program = fileURLToPath(new URL('main.ts', import.meta.url));
  const child = spawn(node, ['--max-semi-space-size=4', program, ...process.argv.slice(2)], { stdio: 'inherit' });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => {
      // A terminal sends its interrupt to the child as well, and a second one would cut its farewell short.
      if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal);
    });
  }
  child.on('error', (error) => {
    console.error(`error internal: ${node} cannot be started: ${error.message}`);
    process.exitCode = 1;
  });
  child.on('exit', (code, signal) => {
    if (signal === null) process.exitCode = code;
    else {
      process.removeAllListeners(signal);
      process.kill(process.pid, signal);
    }
  });
}

function pinnedNode() {
  try {
    const file = require.resolve('node/bin/node');
    return existsSync(file) ? file : undefined;
  } catch {
    return undefined;
  }
}
