import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadScenario, scenarioFrom, ScenarioError } from '../../src/index.ts';

const smallest = `about = "x"
[hosts]
count = 2
[[images]]
name = "image"
size = "1MiB"
[[unshelves]]
images = "image"
`;

function refusal(toml: string): ScenarioError {
  try {
    scenarioFrom(toml, 'mine.toml');
  } catch (error) {
    if (error instanceof ScenarioError) return error;
    throw error;
  }
  throw new Error('was not refused');
}

describe('loadScenario', () => {
  test('fills in what the smallest file leaves out', () => {
    const scenario = scenarioFrom(smallest, 'dir/mine.toml');
    expect(scenario.name).toBe('mine');
    expect(scenario.hosts.link).toBe(125e6);
    expect(scenario.origin).toMatchObject({ rate: { unit: 'links', amount: 1 }, seeders: 1, isReadable: false });
    expect(scenario.control).toMatchObject({ hop: { unit: 'ms', amount: 1.1 }, gossipLoss: 0 });
    expect(scenario.zones).toBeUndefined();
    expect(scenario.images[0]).toMatchObject({ size: 16, count: 1, base: undefined });
  });

  test('reads a file by its path', () => {
    const directory = mkdtempSync(join(tmpdir(), 'quarry-scenario-'));
    try {
      writeFileSync(join(directory, 'mine.toml'), smallest);
      expect(loadScenario(join(directory, 'mine.toml')).name).toBe('mine');
      expect(() => loadScenario(join(directory, 'absent.toml'))).toThrow(/cannot read the scenario .*absent\.toml/);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  test('lists what there is when a name is not known', () => {
    expect(() => loadScenario('same-imge')).toThrow(/no scenario "same-imge".*same-image/);
    expect(() => loadScenario('../scenarios/same-image')).toThrow(/cannot read/);
  });

  test.each([
    [
      'a key that does not exist',
      'link = 1\n' + smallest,
      'SCENARIO_UNKNOWN_KEY',
      /mine\.toml: there is no key link; known here: about, limit, hosts/,
    ],
    [
      'a key that another table has',
      smallest + 'size = "1MiB"\n',
      'SCENARIO_UNKNOWN_KEY',
      /unshelves\[0\]\.size; known here: images, choose/,
    ],
    [
      'a key of another fault',
      smallest + '[[faults]]\nkind = "stall"\nhosts = 1\nfactor = 2\n',
      'SCENARIO_UNKNOWN_KEY',
      /faults\[0\]\.factor; known here: hosts, at, until/,
    ],
    [
      'a key that is missing',
      smallest.replace('count = 2', ''),
      'SCENARIO_BAD_VALUE',
      /hosts\.count is missing; it must be a whole number/,
    ],
    [
      'a table that is missing',
      smallest.replace(/\[\[unshelves.*/s, ''),
      'SCENARIO_BAD_VALUE',
      /unshelves is missing: give at least one \[\[unshelves\]\]/,
    ],
    [
      'a table that stands once but is a list',
      smallest.replace('[hosts]', '[[hosts]]'),
      'SCENARIO_BAD_VALUE',
      /hosts is .*must be a table/,
    ],
    [
      'a list that is a table',
      smallest.replace('[[images]]', '[images]'),
      'SCENARIO_BAD_VALUE',
      /images must be a list: write \[\[images\]\]/,
    ],
    [
      'a rate in ambiguous units',
      smallest.replace('count = 2', 'count = 2\nlink = "100 Mb/s"'),
      'SCENARIO_BAD_VALUE',
      /hosts\.link is "100 Mb\/s", but must be a rate such as/,
    ],
    [
      'an arrival that depends on the bound',
      smallest + 'at = "0.5T"\n',
      'SCENARIO_BAD_VALUE',
      /unshelves\[0\]\.at is "0\.5T", but must be a time/,
    ],
    ['a size that is no whole chunk', smallest.replace('1MiB', '100 B'), 'SCENARIO_BAD_VALUE', /images\[0\]\.size/],
    [
      'a set that does not exist',
      smallest.replace('images = "image"', 'images = "imge"'),
      'SCENARIO_BAD_VALUE',
      /unshelves\[0\]\.images is "imge", but must be the name of a set of images: "image"/,
    ],
    [
      'a base that comes later',
      smallest.replace('"1MiB"', '"1MiB"\nbase = "image"\ncommon = "50%"'),
      'SCENARIO_BAD_VALUE',
      /images\[0\]\.base .*none comes before it/,
    ],
    [
      'a base without a part',
      smallest + '[[images]]\nname = "b"\nsize = "1MiB"\nbase = "image"\n',
      'SCENARIO_BAD_VALUE',
      /images\[1\]\.common is missing/,
    ],
    [
      'two sets of one name',
      smallest + '[[images]]\nname = "image"\nsize = "1MiB"\n',
      'SCENARIO_BAD_VALUE',
      /images\[1\]\.name/,
    ],
    [
      'a part that the images do not have',
      smallest + '[[cached]]\nimages = "image"\npart = "common"\nwhere = "everywhere"\n',
      'SCENARIO_BAD_VALUE',
      /cached\[0\]\.part/,
    ],
    [
      'a failing origin that nobody reads',
      smallest + '[[faults]]\nkind = "originFails"\nhow = "hangs"\n',
      'SCENARIO_BAD_VALUE',
      /faults\[0\]\.kind .*set origin\.isReadable = true/,
    ],
    [
      'a fault that does not exist',
      smallest + '[[faults]]\nkind = "flood"\n',
      'SCENARIO_BAD_VALUE',
      /faults\[0\]\.kind is "flood", but must be one of kill/,
    ],
    [
      'groups larger than all',
      smallest + '[[groups]]\nhosts = "60%"\nlink = "2x"\n'.repeat(2),
      'SCENARIO_BAD_VALUE',
      /groups make up 120%/,
    ],
    ['what is not TOML', 'about = ', 'SCENARIO_UNREADABLE', /mine\.toml is not TOML/],
  ])('refuses %s', (_, toml, code, message) => {
    const error = refusal(toml);
    expect(error.code).toBe(code);
    expect(error.message).toMatch(message);
    expect(error.details['file']).toBe('mine.toml');
  });
});
