#!/usr/bin/env node
// Every npm script goes through here: `node tools/run.mjs <task> [arguments]`.
//
// It must work as the first thing typed after `git clone`, on Node 20, with nothing installed. So this file and
// install.mjs are plain JavaScript without dependencies: they install what is missing, then hand over to the pinned
// Node 24, which runs TypeScript by stripping its types.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensureInstalled, InstallError } from './install.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const bin = (name) => `node_modules/.bin/${name}`;

/** Task → script and leading arguments. `here: true` runs where the user stands, so that relative paths mean theirs. */
const TASKS = {
  test: { command: ['tools/test.ts'], about: 'run every test; `-- <filter>` runs some' },
  check: { command: ['tools/check.ts'], about: 'types, lint, format, unused code, architecture' },
  demo: {
    command: ['packages/daemon/src/main.ts', 'demo'],
    here: true,
    about: 'a storm of unshelves, without and with Quarry',
  },
  bench: { command: ['benchmarks/main.ts'], here: true, about: 'benchmarks; `-- <name>` runs one' },
  simulate: {
    command: ['packages/simulator/src/main.ts'],
    here: true,
    about: 'storms in virtual time; `-- --list` names them',
  },
  storm: {
    command: ['packages/storm/src/main.ts'],
    here: true,
    about: 'storms with real processes on shaped links; root',
  },
  quarry: { command: ['packages/daemon/src/main.ts'], here: true, about: 'the command line' },
  bundle: { command: ['tools/bundle.ts'], about: 'make dist/quarry.mjs, which takes less memory: what hosts run' },
  build: { command: [bin('tsc'), '-b'], about: 'compile every package to dist/' },
  lint: { command: [bin('oxlint'), '--type-aware'], about: 'lint, with types' },
  format: { command: [bin('biome'), 'format', '--write'], about: 'format in place' },
  lock: { command: ['tools/complete-lock.ts'], about: 'complete package-lock.json after `npm install`' },
};

const MINIMUM_NODE_MAJOR = 24;
// npm passes Ctrl-C on although the terminal sends it too: what arrives twice within this time was pressed once.
const SAME_SIGNAL_MS = 1_000;

function findNode() {
  const pinned = join(root, 'node_modules', `node-${process.platform}-${process.arch}`, 'bin', 'node');
  if (existsSync(pinned)) return pinned;
  if (Number(process.versions.node.split('.')[0]) >= MINIMUM_NODE_MAJOR) return process.execPath;
  throw new InstallError(
    `There is no pinned Node ${MINIMUM_NODE_MAJOR} for ${process.platform}-${process.arch}, and this one is ${process.version}.`,
    `Quarry runs its TypeScript directly, which takes Node ${MINIMUM_NODE_MAJOR} or newer.`,
    `Install Node ${MINIMUM_NODE_MAJOR}, put it first in PATH, and run the command again. On Linux x64 or arm64 npm brings it: ` +
      'there, check that npm is not told to omit optional dependencies (`npm config get omit`), delete node_modules and try again.',
  );
}

/** Ends what a task left behind in its process group: the Ctrl-C that would have reached it went only to the task. */
function endGroup(leader) {
  try {
    process.kill(-leader, 'SIGTERM');
  } catch {
    // nothing was left
  }
}

/**
 * Runs a command to its end and returns its exit code. The child leads its own session: the terminal's Ctrl-C reaches only
 * us, and we pass each signal on exactly once. We never leave before the child, so that the prompt comes back when all is over.
 */
function handOver(command, args, options) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { ...options, stdio: 'inherit', detached: process.platform !== 'win32' });
    const lastSentMs = new Map();
    const forward = (signal) => {
      const nowMs = performance.now();
      if (signal !== 'SIGWINCH' && nowMs - (lastSentMs.get(signal) ?? -Infinity) < SAME_SIGNAL_MS) return;
      lastSentMs.set(signal, nowMs);
      child.kill(signal);
    };
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGWINCH']) process.on(signal, forward);
    child.on('error', reject);
    child.on('exit', (code, signal) => {
      endGroup(child.pid);
      resolve(code ?? 128 + (constants.signals[signal] ?? 0));
    });
  });
}

async function main([name, ...args]) {
  const task = Object.hasOwn(TASKS, name ?? '') ? TASKS[name] : undefined;
  if (task === undefined) {
    const lines = Object.entries(TASKS).map(([known, { about }]) => `  ${known.padEnd(8)} ${about}`);
    console.error(`Usage: node tools/run.mjs <task> [arguments]\n\n${lines.join('\n')}`);
    if (name !== undefined) console.error(`\nThere is no task "${name}".`);
    return 2;
  }
  await ensureInstalled(root);
  const node = findNode();
  // Under npm the working directory is the project's root; INIT_CWD is where the command was typed.
  const typedIn = process.env.npm_lifecycle_event === name ? process.env.INIT_CWD : undefined;
  const [script, ...leading] = task.command;
  return await handOver(node, ['--conditions=source', join(root, script), ...leading, ...args], {
    cwd: task.here ? (typedIn ?? process.cwd()) : root,
    // What the task starts as plain `node` is the pinned one too.
    env: {
      ...process.env,
      PATH: [dirname(node), join(root, 'node_modules', '.bin'), process.env.PATH].join(delimiter),
    },
  });
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof InstallError)) throw error;
  console.error(`\n${error.message}`);
  process.exitCode = 1;
}
