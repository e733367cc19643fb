// What holds for the repository as a whole, whoever clones it and wherever.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { daemonEnvironment, daemonFlags } from '../tools/bundle.ts';
import { missingEntries } from '../tools/complete-lock.ts';

const root = resolve(import.meta.dirname, '..');

/** The lines of tracked files that match. A checkout that belongs to another user, as in containers, is no obstacle. */
function gitGrep(pattern: string): string[] {
  try {
    const args = ['-c', 'safe.directory=*', 'grep', '-nIE', pattern];
    return execFileSync('git', args, { cwd: root, encoding: 'utf8' }).trim().split('\n');
  } catch (error) {
    if (error instanceof Error && 'status' in error && error.status === 1) return []; // git's way to say: no match
    throw error;
  }
}

test('no tracked file names a package registry, so that every machine uses its own', () => {
  expect(gitGrep('"private": true').length).toBeGreaterThan(0);
  expect(gitGrep('https?://[^/ "]*(npm|registry)[^/ "]*|registry[.][a-z0-9-]+[.][a-z]+')).toEqual([]);
  expect(gitGrep('"resolved": "[a-z+]+:')).toEqual([]);
});

test('package-lock.json names the packages of every platform, or npm ci refuses it', () => {
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
  expect(Object.keys(missingEntries(lock.packages)), 'run `npm run lock` and commit package-lock.json').toEqual([]);
});

test('a package for another platform that npm left out of the lock is put back with its platform', () => {
  const packages = {
    'node_modules/tool': {
      version: '1.2.3',
      dev: true,
      optionalDependencies: { 'tool-linux-x64': '1.2.3', '@tool/linux-arm64-musl': '1.2.3' },
    },
    'node_modules/tool/node_modules/tool-linux-x64': { version: '1.2.3' },
  };
  expect(missingEntries(packages)).toEqual({
    'node_modules/@tool/linux-arm64-musl': {
      version: '1.2.3',
      dev: true,
      optional: true,
      os: ['linux'],
      cpu: ['arm64'],
      libc: ['musl'],
    },
  });
});

test.for(['node', 'seeder'])(
  'the %s that systemd runs is the bundle, with the flags that the benchmarks measure it with',
  (role) => {
    const unit = readFileSync(join(root, `deploy/systemd/quarry-${role}.service`), 'utf8');
    expect(unit).toContain(`node ${daemonFlags.join(' ')} /opt/quarry/dist/quarry.mjs `);
    const environment = Object.entries(daemonEnvironment).map(([name, value]) => `${name}=${value}`);
    expect(unit).toContain(`Environment=${environment.join(' ')}\n`);
  },
);
