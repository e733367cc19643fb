import { faults } from './fault-keys.ts';
import { asTable, at, bad, parseTable, refuseUnknown } from './parse-table.ts';
import type { Place } from './parse-table.ts';
import { tables, topKeys } from './scenario-keys.ts';
import type { TableKeys } from './scenario-keys.ts';
import type { FaultTable, Scenario } from './scenario.ts';

type Document = Readonly<Record<string, unknown>>;

/**
 * A TOML document as a scenario: each table by its keys. What spans tables is `checkScenario`'s.
 * @throws ScenarioError SCENARIO_UNKNOWN_KEY, SCENARIO_BAD_VALUE
 */
export function parseScenario(document: Document, named: { readonly name: string; readonly file: string }): Scenario {
  const top: Place = { file: named.file, path: '' };
  const topNames = Object.keys(topKeys);
  refuseUnknown(document, [...topNames, ...Object.keys(tables), 'faults'], top);
  const ofTop = Object.fromEntries(Object.entries(document).filter(([name]) => topNames.includes(name)));
  const one = <T>(name: keyof typeof tables, table: TableKeys<T>): T =>
    parseTable(table.keys, document[name] ?? missing(table, at(top, name)), at(top, name));
  const many = <T>(name: keyof typeof tables, table: TableKeys<T>): readonly T[] => {
    const list = listOf(document[name], at(top, name));
    if (list.length === 0 && table.isRequired) throw bad(at(top, name), `is missing: give at least one [[${name}]]`);
    return list.map((raw, i) => parseTable(table.keys, raw, at(top, `${name}[${i}]`)));
  };
  return {
    ...named,
    ...parseTable(topKeys, ofTop, top),
    hosts: one('hosts', tables.hosts),
    groups: many('groups', tables.groups),
    zones: document['zones'] === undefined ? undefined : one('zones', tables.zones),
    origin: one('origin', tables.origin),
    control: one('control', tables.control),
    images: many('images', tables.images),
    unshelves: many('unshelves', tables.unshelves),
    shelves: many('shelves', tables.shelves),
    cached: many('cached', tables.cached),
    faults: listOf(document['faults'], at(top, 'faults')).map((raw, i) => fault(raw, at(top, `faults[${i}]`))),
  };
}

function fault(raw: unknown, place: Place): FaultTable {
  const { kind, ...rest } = asTable(raw, place);
  const kinds = Object.keys(faults);
  if (typeof kind !== 'string' || !Object.hasOwn(faults, kind))
    throw bad(at(place, 'kind'), `is ${JSON.stringify(kind)}, but must be one of ${kinds.join(', ')}`, kind);
  const { keys } = faults[kind as keyof typeof faults] as { readonly keys: Parameters<typeof parseTable>[0] };
  return { kind, ...(parseTable(keys, rest, place) as object) } as FaultTable;
}

function missing(table: { readonly isRequired: boolean }, place: Place): Document {
  if (table.isRequired) throw bad(place, `is missing: give a [${place.path}]`);
  return {};
}

function listOf(raw: unknown, place: Place): readonly unknown[] {
  if (raw === undefined) return [];
  if (Array.isArray(raw)) return raw;
  throw bad(place, `must be a list: write [[${place.path}]]`);
}
