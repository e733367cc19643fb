import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { faults } from '../../src/format/fault-keys.ts';
import { tables, topKeys } from '../../src/format/scenario-keys.ts';
import type { Key } from '../../src/format/scenario-keys.ts';
import { boundOf, expandScenario, scenarioFrom } from '../../src/index.ts';
import { expectSound } from '../sound-storm.ts';

const file = join(import.meta.dirname, '..', '..', '..', '..', 'docs', 'scenarios.md');
const page = readFileSync(file, 'utf8');

test('docs/scenarios.md has every key that the loader reads, and no other', async () => {
  const begin = page.indexOf('-->', page.indexOf('<!-- keys')) + 3;
  const end = page.indexOf('<!-- end of keys');
  expect(begin).toBeGreaterThan(3);
  expect(end).toBeGreaterThan(begin);
  await expect(`${page.slice(0, begin)}\n\n${keyTables()}\n${page.slice(end)}`).toMatchFileSnapshot(file);
});

test('the example in docs/scenarios.md makes a storm', () => {
  const example = /```toml\n(.*?)```/s.exec(page)?.[1] ?? '';
  const storm = expandScenario(scenarioFrom(example, 'example.toml'), { seed: 1 });
  expectSound(storm);
  expect(storm.hosts).toHaveLength(200);
  expect(storm.zones).toHaveLength(10);
  expect(storm.faults.filter(({ kind }) => kind === 'restart')).toHaveLength(20);
  expect(boundOf(storm).uniqueBytes).toBe(0);
});

function keyTables(): string {
  const top = section('At the top of the file', 'Before every table.', topKeys);
  const named = Object.entries(tables).map(([name, table]) =>
    section(table.isList ? `[[${name}]]` : `[${name}]`, `${table.doc} ${howOften(table)}`, table.keys),
  );
  const kinds = Object.entries(faults).map(([kind, { doc, keys }]) =>
    section(`[[faults]] with kind = "${kind}"`, `${doc} As many as you like.`, keys),
  );
  return [top, ...named, ...kinds].join('\n');
}

function howOften({ isList, isRequired }: { readonly isList: boolean; readonly isRequired: boolean }): string {
  if (isList) return isRequired ? 'One at least.' : 'As many as you like.';
  return isRequired ? 'Required.' : 'Optional.';
}

function section(title: string, doc: string, keys: object): string {
  const rows = Object.entries(keys as Readonly<Record<string, Key<unknown>>>).map(([name, key]) => {
    const absent = key.default === undefined ? (key.absent ?? 'required') : `\`${JSON.stringify(key.default)}\``;
    return `| \`${name}\` | ${key.kind.says} | ${absent} | ${key.doc} |\n`;
  });
  return `### ${title}\n\n${doc}\n\n| key | holds | if absent | what it says |\n|---|---|---|---|\n${rows.join('')}`;
}
