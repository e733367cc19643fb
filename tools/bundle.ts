// Makes the daemon into a few files: `npm run bundle` writes dist/quarry.mjs and what it loads. From source a node loads some 900 files, and keeps the
// text of each; bundled, an idle one takes half the memory and starts in a third of the time (docs/memory.md).
//
//   dist/quarry.mjs     what is run
//   dist/package.json   the version, and that the rest are modules
//   dist/lib/           the code; what is imported when it is needed has a file of its own, and so has each worker thread
//
// Native add-ons are no JavaScript and stay where npm put them: dist/ belongs beside node_modules/.
import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';

const root = join(import.meta.dirname, '..');

const ENTRIES: Readonly<Record<string, string>> = {
  quarry: 'packages/daemon/src/main.ts',
  // started by packages/image/src/threads/start-thread.ts, which looks for them beside itself
  'compute-worker': 'packages/image/src/threads/compute-worker.ts',
  'hash-worker': 'packages/image/src/threads/hash-worker.ts',
};

const NATIVE = ['@napi-rs/blake-hash', 'blake3', 'classic-level'];

/**
 * Flags of Node for a daemon, as in deploy/systemd: a young generation of 1 MiB instead of 16, and a heap that is collected before it grows. What moves
 * an image lies outside of the heap.
 */
export const daemonFlags: readonly string[] = ['--max-semi-space-size=1', '--optimize-for-size'];

/** Settings of glibc's allocator for it, as there: one arena for all threads instead of one for each, and what is free at the end is given back. */
export const daemonEnvironment: Readonly<Record<string, string>> = {
  MALLOC_ARENA_MAX: '1',
  MALLOC_TRIM_THRESHOLD_: '131072',
};

/** Writes the bundle into `directory`, which is emptied first; with further entries beside the daemon's, by name below lib/ to path. */
export async function makeBundle(directory: string, further: Readonly<Record<string, string>> = {}): Promise<void> {
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  await build({
    absWorkingDir: root,
    entryPoints: Object.entries({ ...ENTRIES, ...further }).map(([out, path]) => ({ in: path, out })),
    outdir: join(directory, 'lib'),
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node24',
    conditions: ['source'],
    external: NATIVE,
    // Node keeps the text of what it runs. Names stay, so that a stack trace can be read as it is.
    minifyWhitespace: true,
    minifySyntax: true,
    // With one character beyond Latin-1 in it, the text would take two bytes for each.
    charset: 'ascii',
    legalComments: 'none',
    sourcemap: 'linked',
    sourcesContent: false,
    // for the CommonJS among the libraries, which asks for Node's modules with `require`
    banner: {
      js: "import{createRequire as createRequireOfBundle}from'node:module';const require=createRequireOfBundle(import.meta.url);",
    },
    logLevel: 'warning',
  });
  const { version } = JSON.parse(readFileSync(join(root, 'packages/daemon/package.json'), 'utf8')) as {
    version: string;
  };
  const manifest = { name: 'quarry-bundle', version, private: true, type: 'module' };
  writeFileSync(join(directory, 'package.json'), `${JSON.stringify(manifest, undefined, 2)}\n`);
  writeFileSync(join(directory, 'quarry.mjs'), "#!/usr/bin/env node\nimport './lib/quarry.js';\n");
  chmodSync(join(directory, 'quarry.mjs'), 0o755);
}

if (import.meta.main) {
  await makeBundle(join(root, 'dist'));
  console.log('dist/quarry.mjs');
}
