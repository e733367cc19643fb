// Makes the daemon into a few files: `npm run bundle` writes dist/quarry.mjs and what it loads. From source a node loads some 900 files, and keeps the
// text of each; bundled, an idle one takes half the memory and starts in a third of the time (docs/memory.md).
//
//   dist/quarry.mjs     what is run
//   dist/package.json   the version, and that the rest are modules
//   dist/lib/           the code; what is imported when it is needed has a file of its own, and so has each worker thread
//
// Native add-ons are no JavaScript and stay where npm put them: dist/ belongs beside node_modules/.
//
// For tests and measurements: `node tools/bundle.ts DIRECTORY [MODULE=INSTEAD …]` writes it elsewhere, with other modules in the place of some, by paths
// from the root. What stands instead may import what it replaces as `replaced:MODULE`.
import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { build } from 'esbuild';
import type { Plugin } from 'esbuild';

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

/** Both are paths from the root. */
export interface Replacement {
  readonly module: string;
  readonly instead: string;
}

/**
 * Writes the bundle into `directory`, which is emptied first; with further entries beside the daemon's, by name below lib/ to path. Rejects where a module
 * that is to be replaced is not in it: the replacement would be none.
 */
export async function makeBundle(
  directory: string,
  further: Readonly<Record<string, string>> = {},
  replacements: readonly Replacement[] = [],
): Promise<void> {
  const used = new Set<string>();
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
    plugins: replacements.map((replacement) => replacing(replacement, used)),
  });
  const unused = replacements.find(({ module }) => !used.has(module));
  if (unused) throw new Error(`${unused.module} is not in the bundle, so nothing can stand instead of it`);
  const { version } = JSON.parse(readFileSync(join(root, 'packages/daemon/package.json'), 'utf8')) as {
    version: string;
  };
  const manifest = { name: 'quarry-bundle', version, private: true, type: 'module' };
  writeFileSync(join(directory, 'package.json'), `${JSON.stringify(manifest, undefined, 2)}\n`);
  writeFileSync(join(directory, 'quarry.mjs'), "#!/usr/bin/env node\nimport './lib/quarry.js';\n");
  chmodSync(join(directory, 'quarry.mjs'), 0o755);
}

function replacing({ module, instead }: Replacement, used: Set<string>): Plugin {
  const [path, insteadPath] = [join(root, module), join(root, instead)];
  return {
    name: `instead of ${module}`,
    setup(bundling) {
      bundling.onResolve({ filter: /^replaced:/ }, ({ path: wanted }) =>
        wanted === `replaced:${module}` ? { path } : undefined,
      );
      bundling.onResolve({ filter: /\.ts$/ }, ({ path: wanted, importer, kind }) => {
        if (kind === 'entry-point' || resolve(dirname(importer), wanted) !== path) return undefined;
        used.add(module);
        return { path: insteadPath };
      });
    },
  };
}

function parseReplacement(word: string): Replacement {
  const [module, instead] = word.split('=');
  if (!module || !instead) throw new TypeError(`${JSON.stringify(word)} does not read MODULE=INSTEAD`);
  return { module, instead };
}

if (import.meta.main) {
  const [directory = join(root, 'dist'), ...words] = process.argv.slice(2);
  await makeBundle(resolve(directory), {}, words.map(parseReplacement));
  console.log(directory === join(root, 'dist') ? 'dist/quarry.mjs' : join(directory, 'quarry.mjs'));
}
