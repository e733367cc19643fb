// The layers, as data. Linters and `tsc -b` let an undeclared sibling import through, because npm links every workspace.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';

interface Layer {
  readonly mayImport: readonly string[];
  readonly why: string;
}

const sibling =
  'Siblings meet in ports, or the one that fails takes the other along and neither can be replaced alone.';
const layers: Readonly<Record<string, Layer>> = {
  runtime: { mayImport: [], why: 'Runtime knows no word of the domain: everything rests on it.' },
  content: {
    mayImport: ['runtime'],
    why: 'Content is nouns and pure algorithms: the simulator runs it without disk or network.',
  },
  store: { mayImport: ['content', 'runtime'], why: sibling },
  origin: { mayImport: ['content', 'runtime'], why: sibling },
  swarm: { mayImport: ['content', 'runtime'], why: sibling },
  image: {
    mayImport: ['content', 'runtime'],
    why: 'Image sees ports only: it must not notice where a piece comes from.',
  },
  gateway: {
    mayImport: ['content', 'runtime'],
    why: 'The gateway speaks HTTP and sees a node through its ports: where an image comes from is not its matter.',
  },
  scenario: {
    mayImport: ['content', 'runtime'],
    why: 'A scenario says what happens, not how it is run: the simulator and the storm harness share it.',
  },
  simulator: {
    mayImport: ['content', 'runtime', 'scenario', 'swarm'],
    why: 'The simulator runs the swarm’s own decisions and nothing else of the product: store, origin and network are its own models.',
  },
  daemon: {
    mayImport: ['content', 'gateway', 'image', 'origin', 'runtime', 'store', 'swarm'],
    why: 'The daemon is the composition root: it may import everything, once it says so in its package.json.',
  },
  storm: {
    mayImport: ['content', 'daemon', 'runtime', 'scenario', 'simulator'],
    why: 'The storm harness starts daemons as an operator does and speaks to their control sockets: nothing of the product may need it.',
  },
};

/** Implementations that meet in one file only, so that another can be put in their place by changing one line. */
const composed = ['store', 'origin', 'swarm'];
const composer = join('packages', 'daemon', 'src', 'compose.ts');
const clockAndChance = /(?:(?<![.\w])|globalThis\.)(?:setTimeout|setInterval)\s*\(|\b(?:Date\.now|Math\.random)\s*\(/;

const root = resolve(import.meta.dirname, '..');
const packages = readdirSync(join(root, 'packages'), { withFileTypes: true }).flatMap((entry) =>
  entry.isDirectory() ? [entry.name] : [],
);

interface Import {
  readonly specifier: string;
  readonly isTypeOnly: boolean;
}

const isComment = (line: string): boolean => /^\s*(?:\/\/|\/?\*)/.test(line);

function codeOf(source: string): string {
  return source.replaceAll(/^.*$/gm, (line) => (isComment(line) ? '' : line));
}

function importsOf(source: string): Import[] {
  const pattern =
    /\b(?:import|export)\s+(type\s)?[^;'"`()]*?from\s*['"]([^'"]+)['"]|\bimport\s*\(?\s*['"`]([^'"`]+)['"`]/g;
  return [...codeOf(source).matchAll(pattern)].map(([, type, from, bare]) => ({
    specifier: from ?? bare ?? '',
    isTypeOnly: type !== undefined,
  }));
}

/** Sentences about what a file does that its layer forbids. `declared` are the dependencies of its package.json. */
function violations(file: string, source: string, declared: readonly string[]): string[] {
  const [, layerName = ''] = file.split('/');
  const layer = layers[layerName];
  const found: string[] = [];
  for (const { specifier, isTypeOnly } of importsOf(source)) {
    if (specifier.startsWith('.')) {
      const target = relative(join('packages', layerName), join(dirname(file), specifier));
      if (target.startsWith('..'))
        found.push(`${file} reaches into another package by path (${specifier}): use its exports.`);
      continue;
    }
    const imported = /^@quarry\/([^/]+)/.exec(specifier)?.[1];
    if (imported === undefined) continue;
    if (!layer?.mayImport.includes(imported)) found.push(`${file} imports ${specifier}. ${layer?.why ?? ''}`);
    if (!declared.includes(`@quarry/${imported}`))
      found.push(`${file} imports ${specifier}, which its package.json does not declare.`);
    if (layerName === 'daemon' && composed.includes(imported) && !isTypeOnly && file !== composer) {
      found.push(
        `${file} imports ${specifier}. Only ${composer} knows implementations; take a port, or \`import type\`.`,
      );
    }
  }
  if (layerName !== 'runtime') {
    for (const [index, line] of codeOf(source).split('\n').entries()) {
      if (!clockAndChance.test(line)) continue;
      found.push(
        `${file}:${index + 1} asks the machine for time or chance. Take a Clock or a Random: tests and the simulator own both.`,
      );
    }
  }
  return found;
}

function manifestOf(name: string): { name: string; dependencies?: Record<string, string> } {
  return JSON.parse(readFileSync(join(root, 'packages', name, 'package.json'), 'utf8'));
}

describe('the layers', () => {
  test('every package has its place in the table', () => {
    expect(packages.toSorted()).toEqual(Object.keys(layers).toSorted());
  });

  test.for(packages)('%s declares only what its layer may import', (name) => {
    const manifest = manifestOf(name);
    const declared = Object.keys(manifest.dependencies ?? {}).filter((dependency) => dependency.startsWith('@quarry/'));
    const allowed = layers[name]?.mayImport.map((layer) => `@quarry/${layer}`) ?? [];
    expect(manifest.name).toBe(`@quarry/${name}`);
    expect(
      declared.filter((dependency) => !allowed.includes(dependency)),
      layers[name]?.why ?? '',
    ).toEqual([]);
  });

  test.for(packages)('%s keeps to its layer in every source file', (name) => {
    const declared = Object.keys(manifestOf(name).dependencies ?? {});
    const sources = readdirSync(join(root, 'packages', name, 'src'), { recursive: true, encoding: 'utf8' });
    const files = sources.filter((file) => file.endsWith('.ts')).map((file) => join('packages', name, 'src', file));
    expect(files.length).toBeGreaterThan(0);
    expect(files.flatMap((file) => violations(file, readFileSync(join(root, file), 'utf8'), declared))).toEqual([]);
  });
});

describe('the rules', () => {
  const everything = Object.keys(layers).map((name) => `@quarry/${name}`);
  test.for([
    ['a sibling import', 'packages/store/src/a.ts', "import { x } from '@quarry/swarm';"],
    ['a type-only sibling import', 'packages/store/src/a.ts', "import type { X } from '@quarry/swarm';"],
    ['a dynamic import', 'packages/image/src/a.ts', "const m = await import('@quarry/store');"],
    ['an import inside a type', 'packages/image/src/a.ts', "let a: import('@quarry/store').X;"],
    ['a bare import', 'packages/content/src/a.ts', "import '@quarry/image';"],
    ['a re-export over several lines', 'packages/content/src/a.ts', "export {\n  a,\n} from '@quarry/image/sub';"],
    ['a relative way out', 'packages/image/src/a.ts', "import { x } from '../../store/src/index.ts';"],
    [
      'an implementation outside of compose.ts',
      'packages/daemon/src/cli.ts',
      "import { type X } from '@quarry/store';",
    ],
    ['a look at the clock', 'packages/swarm/src/a.ts', 'const startedAtMs = Date.now();'],
    ['a timer', 'packages/swarm/src/a.ts', 'globalThis.setTimeout(f, 1);'],
    ['a roll of the dice', 'packages/content/src/a.ts', 'if (Math.random() < 0.5) f();'],
  ] as const)('%s is found', ([, file, source]) => {
    expect(violations(file, source, everything)).toHaveLength(1);
  });

  test('an import that package.json does not declare is found', () => {
    expect(violations('packages/store/src/a.ts', "import { x } from '@quarry/runtime';", [])).toHaveLength(1);
  });

  test.for([
    ['compose.ts may import every implementation', composer, "import { x } from '@quarry/store';"],
    [
      'the daemon may name the types of an implementation',
      'packages/daemon/src/a.ts',
      "import type { X } from '@quarry/swarm';",
    ],
    ['a method called setTimeout is no timer', 'packages/origin/src/a.ts', 'socket.setTimeout(1);'],
    ['a comment may speak of the clock', 'packages/origin/src/a.ts', '// not Date.now(), because ...'],
    ['runtime asks the machine', 'packages/runtime/src/a.ts', 'setTimeout(f, Date.now());'],
  ] as const)('%s', ([, file, source]) => {
    expect(violations(file, source, everything)).toEqual([]);
  });
});
