import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expandScenario, loadScenario } from '@quarry/scenario';
import { expect, test } from 'vitest';
import { daemonEnvironment as bundledEnvironment, daemonFlags as bundledFlags } from '../../../../tools/bundle.ts';
import { daemonEnvironment, daemonFlags, nodeWords, seederWords } from '../../src/quarry/node-flags.ts';

const root = join(import.meta.dirname, '../../../..');
const of = { glanceUrl: 'http://10.0.0.1:9292', storeDirectory: '/store', keyFile: '/r/key', tokenFile: '/r/token' };
const at = { directory: '/r/n3', address: '10.0.1.4', bootstrap: ['/ip4/10.0.0.1/tcp/4747/p2p/A'] };

/** `--flag value` pairs, in order. */
const pairs = (words: readonly string[]): string[] =>
  words.flatMap((word, i) => (word.startsWith('--') ? [`${word} ${words[i + 1]}`] : []));

test('daemons run with the flags and the environment of the systemd unit', () => {
  const unit = readFileSync(join(root, 'deploy/systemd/quarry-node.service'), 'utf8');
  expect(unit).toContain(`/node ${daemonFlags.join(' ')} `);
  const environment = Object.entries(daemonEnvironment).map(([name, value]) => `${name}=${value}`);
  expect(unit).toContain(`Environment=${environment.join(' ')}\n`);
  expect([daemonFlags, daemonEnvironment]).toEqual([bundledFlags, bundledEnvironment]);
});

test('a host’s node has a façade before the storm’s Glance, and believes the seeders', () => {
  const storm = expandScenario(loadScenario('budget'), { seed: 1, nodes: 4, link: 2.5e6 });
  const words = nodeWords({ ...of, storm }, { ...at, host: 3, publishers: ['A', 'B'] });
  expect(words[0]).toBe('node');
  expect(pairs(words)).toEqual(
    expect.arrayContaining([
      '--data /r/n3',
      '--listen /ip4/10.0.1.4/tcp/4747',
      '--bulk-listen /ip4/10.0.1.4/tcp/4748',
      '--bootstrap /ip4/10.0.0.1/tcp/4747/p2p/A',
      '--gateway 127.0.0.1:9292',
      '--glance http://10.0.0.1:9292',
      '--link-rate 20000000bit/s',
      '--origin-rate 5000000bit/s',
      '--origin-reads 8',
      '--trust A',
      '--trust B',
    ]),
  );
  expect(words).not.toContain('--zone');
  expect(words).not.toContain('--origin');
});

test('zones are named where there are several, and limits only where the storm has some', () => {
  const storm = expandScenario(loadScenario('rack-aware'), { seed: 1, nodes: 40, link: 2.5e6 });
  expect(pairs(nodeWords({ ...of, storm }, { ...at, host: 25, publishers: [] }))).toContain('--zone z1');
  const seeder = seederWords({ ...of, storm }, { ...at, index: 1, images: ['a', 'b'] });
  expect(seeder.slice(0, 3)).toEqual(['seed', 'a', 'b']);
  expect(pairs(seeder)).toEqual(
    expect.arrayContaining(['--zone store', '--listen /ip4/10.0.1.4/tcp/4757', '--origin-path /store']),
  );
  expect(seeder).not.toContain('--origin-rate');
});

test('a seeder that shall seed nothing has no origin: it would seed all of it', () => {
  const storm = expandScenario(loadScenario('same-image'), { seed: 1, nodes: 2 });
  expect(seederWords({ ...of, storm }, { ...at, index: 0, images: [] })).not.toContain('--origin');
});
