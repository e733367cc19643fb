import { readFile } from 'node:fs/promises';
import { systemClock } from '@quarry/runtime';
import { expect, test } from 'vitest';
import { exitCodes } from '../../src/cli/exit-codes.ts';
import { stormCli } from '../../src/cli/storm-cli.ts';
import { contestantNames } from '../../src/contestants/contestant-names.ts';

async function storm(...words: string[]): Promise<{ code: number; out: string; err: string }> {
  let [out, err] = ['', ''];
  const code = await stormCli(words, {
    out: { write: (text) => (out += text) },
    err: { write: (text) => (err += text) },
    clock: systemClock,
    signal: new AbortController().signal,
  });
  return { code, out, err };
}

test.each([
  [[], '--list'],
  [['--scenario', 'nothing-like-it'], 'nothing-like-it'],
  [['--scenario', 'same-image', '--soak', '1h'], '--soak'],
  [['--soak', 'long'], '30min'],
  [['--scenario', 'same-image', '--hosts', '0'], 'from 1 to 250'],
  [['--scenario', 'same-image', '--link', 'fast'], '20Mbit/s'],
  [['--scenario', 'same-image', '--scale', 'half'], '1/32'],
  [['--scenario', 'same-image', '--against', 'ftp'], 'There is no contestant "ftp"'],
  [['--scenario', 'same-image', '--glance', 'swift'], 'embedded'],
  [['--scenari', 'same-image'], '--scenario'],
])('%j is refused with what would be right', async (words, hint) => {
  const { code, out, err } = await storm(...words);
  expect(code).toBe(exitCodes.usage.code);
  expect(out).toBe('');
  expect(err).toContain(hint);
});

test('--help and --list speak on standard output', async () => {
  expect(await storm('--help')).toMatchObject({ code: 0, out: expect.stringContaining('--against') });
  expect((await storm('--list')).out).toContain('same-image');
  expect(JSON.parse((await storm('--list', '--json')).out)).toEqual(
    expect.arrayContaining([expect.objectContaining({ name: 'morning' })]),
  );
});

test('docs/storm.md has every exit code and every contestant', async () => {
  const page = await readFile(new URL('../../../../docs/storm.md', import.meta.url), 'utf8');
  for (const { code, doc } of Object.values(exitCodes)) expect(page).toContain(`| ${code} | ${doc} |`);
  for (const name of contestantNames) expect(page).toContain(`\`${name}\``);
});
