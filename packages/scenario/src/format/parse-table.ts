import { ScenarioError } from '../scenario-error.ts';
import type { Key, Keys } from './scenario-keys.ts';

/** Where a value stands: `file`, and the key path within it, such as `images[1]`. Empty: the file's top. */
export interface Place {
  readonly file: string;
  readonly path: string;
}

export function at(place: Place, name: string): Place {
  return { file: place.file, path: place.path === '' ? name : `${place.path}.${name}` };
}

export function bad(place: Place, problem: string, value?: unknown): ScenarioError {
  return new ScenarioError('SCENARIO_BAD_VALUE', `${place.file}: ${place.path} ${problem}`, {
    details: { file: place.file, key: place.path, ...(value === undefined ? {} : { value }) },
  });
}

/**
 * Reads one table: each key by its kind, defaults for the rest.
 * @throws ScenarioError SCENARIO_UNKNOWN_KEY, SCENARIO_BAD_VALUE
 */
export function parseTable<T>(keys: Keys<T>, raw: unknown, place: Place): T {
  const table = asTable(raw, place);
  const known = Object.entries(keys) as [string, Key<unknown>][];
  refuseUnknown(
    table,
    known.map(([name]) => name),
    place,
  );
  return Object.fromEntries(known.map(([name, key]) => [name, parseKey(key, table[name], at(place, name))])) as T;
}

export function asTable(raw: unknown, place: Place): Readonly<Record<string, unknown>> {
  if (typeof raw === 'object' && raw !== null && !Array.isArray(raw)) return raw as Record<string, unknown>;
  throw bad(place, `is ${JSON.stringify(raw)}, but must be a table: [${place.path.replace(/\[\d+\]$/, '')}]`, raw);
}

export function refuseUnknown(table: Readonly<Record<string, unknown>>, known: readonly string[], place: Place): void {
  for (const name of Object.keys(table)) {
    if (known.includes(name)) continue;
    const { file, path } = at(place, name);
    throw new ScenarioError(
      'SCENARIO_UNKNOWN_KEY',
      `${file}: there is no key ${path}; known here: ${known.join(', ')}`,
      {
        details: { file, key: path, known },
      },
    );
  }
}

function parseKey(key: Key<unknown>, given: unknown, place: Place): unknown {
  if (given === undefined && key.default === undefined) {
    if (key.absent !== undefined) return undefined;
    throw bad(place, `is missing; it must be ${key.kind.says}`);
  }
  const raw = given ?? key.default;
  const value = key.kind.parse(raw);
  if (value === undefined) throw bad(place, `is ${JSON.stringify(raw)}, but must be ${key.kind.says}`, raw);
  return value;
}
