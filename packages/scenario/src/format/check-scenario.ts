import { at, bad } from './parse-table.ts';
import type { Place } from './parse-table.ts';
import type { ImagesTable, Scenario } from './scenario.ts';

/**
 * What no single key can say: names that must exist, keys that go together.
 * @throws ScenarioError SCENARIO_BAD_VALUE
 */
export function checkScenario(scenario: Scenario): void {
  const top: Place = { file: scenario.file, path: '' };
  const names: string[] = [];
  for (const [i, images] of scenario.images.entries()) {
    checkImages(images, names, at(top, `images[${i}]`));
    names.push(images.name);
  }
  for (const list of ['unshelves', 'shelves', 'cached'] as const) {
    for (const [i, entry] of scenario[list].entries()) {
      if (!names.includes(entry.images)) throw bad(at(top, `${list}[${i}].images`), isNoSet(entry.images, names));
    }
  }
  for (const [i, cached] of scenario.cached.entries()) {
    const set = scenario.images.find((images) => images.name === cached.images);
    if (cached.part === 'common' && set?.base === undefined)
      throw bad(at(top, `cached[${i}].part`), `is "common", but the images of "${cached.images}" have no base`);
  }
  const part = scenario.groups.reduce((sum, { hosts }) => sum + (hosts.unit === 'part' ? hosts.amount : 0), 0);
  if (part > 1 + 1e-9) throw bad(at(top, 'groups'), `make up ${Math.round(part * 100)}% of the hosts: 100% at most`);
  for (const [i, fault] of scenario.faults.entries()) {
    if (fault.kind === 'seedersLeave' && scenario.origin.seeders === 0)
      throw bad(at(top, `faults[${i}].kind`), 'is "seedersLeave", but origin.seeders is 0: nobody is there to leave');
    if (fault.kind === 'originFails' && !scenario.origin.isReadable)
      throw bad(at(top, `faults[${i}].kind`), 'is "originFails", but nobody reads it: set origin.isReadable = true');
  }
}

function checkImages(images: ImagesTable, earlier: readonly string[], place: Place): void {
  if (earlier.includes(images.name))
    throw bad(at(place, 'name'), `is "${images.name}", as an earlier set: choose another`);
  if (images.maxSize !== undefined && images.maxSize < images.size)
    throw bad(at(place, 'maxSize'), 'must not be smaller than size');
  if (images.base !== undefined && !earlier.includes(images.base))
    throw bad(at(place, 'base'), isNoSet(images.base, earlier));
  if ((images.base === undefined) !== (images.common === undefined))
    throw bad(at(place, images.base === undefined ? 'base' : 'common'), 'is missing: base and common stand together');
}

function isNoSet(name: string, known: readonly string[]): string {
  const list = known.length === 0 ? 'none comes before it' : known.map((word) => `"${word}"`).join(', ');
  return `is "${name}", but must be the name of a set of images: ${list}`;
}
