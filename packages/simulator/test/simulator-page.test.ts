import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { exitCodes } from '../src/cli/exit-codes.ts';
import { promisedFields } from '../src/cli/json-report.ts';
import { traceKinds } from '../src/trace.ts';

const page = readFileSync(new URL('../../../docs/simulator.md', import.meta.url), 'utf8');
const rows = [...page.matchAll(/^\| `?([^|`]+?)`? \| (.+) \|$/gm)].map(([, first = '', second = '']) => [
  first,
  second,
]);

test('docs/simulator.md has the exit codes as they are', () => {
  expect(rows.filter(([first]) => /^\d+$/.test(first ?? ''))).toEqual(
    Object.values(exitCodes).map(({ code, doc }) => [String(code), doc]),
  );
});

test('docs/simulator.md explains every field of --json, in order', () => {
  const documented = rows.map(([first]) => first).filter((first) => promisedFields.some((field) => field === first));
  expect(documented).toEqual(promisedFields);
});

test('docs/simulator.md explains every lane of a trace', () => {
  for (const kind of traceKinds) expect(page).toContain(`\`${kind}\``);
});
