import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { parse } from 'smol-toml';
import { ScenarioError } from '../scenario-error.ts';
import { checkScenario } from './check-scenario.ts';
import { parseScenario } from './parse-scenario.ts';
import type { Scenario } from './scenario.ts';

const directory = join(import.meta.dirname, '..', '..', 'scenarios');
const suffix = '.toml';

/**
 * Reads a scenario: one of `scenarioNames()`, or a file (whatever has a slash or ends in `.toml`).
 * @throws ScenarioError SCENARIO_NOT_FOUND, SCENARIO_UNREADABLE, SCENARIO_UNKNOWN_KEY, SCENARIO_BAD_VALUE
 */
export function loadScenario(nameOrPath: string): Scenario {
  const isPath = nameOrPath.includes('/') || nameOrPath.endsWith(suffix);
  if (!isPath && !files().includes(nameOrPath + suffix)) {
    const names = files().map((file) => basename(file, suffix));
    throw new ScenarioError(
      'SCENARIO_NOT_FOUND',
      `there is no scenario "${nameOrPath}"; give a path that ends in ${suffix}, or one of: ${names.join(', ')}`,
      { details: { name: nameOrPath, names } },
    );
  }
  const file = isPath ? nameOrPath : join(directory, nameOrPath + suffix);
  return scenarioFrom(read(file), isPath ? file : nameOrPath + suffix);
}

/**
 * The same from a file's text; `file` is what messages call it, and its last part without `.toml` is the scenario's name.
 * @throws ScenarioError SCENARIO_UNREADABLE, SCENARIO_UNKNOWN_KEY, SCENARIO_BAD_VALUE
 */
export function scenarioFrom(toml: string, file: string): Scenario {
  let document: Record<string, unknown>;
  try {
    document = parse(toml);
  } catch (cause) {
    throw new ScenarioError('SCENARIO_UNREADABLE', `${file} is not TOML: ${messageOf(cause)}`, {
      cause,
      details: { file },
    });
  }
  const scenario = parseScenario(document, { name: basename(file, suffix), file });
  checkScenario(scenario);
  return scenario;
}

/** The scenarios that come with Quarry, by name. */
export function scenarioNames(): readonly { readonly name: string; readonly about: string }[] {
  return files().map((file) => {
    const { name, about } = scenarioFrom(read(join(directory, file)), file);
    return { name, about };
  });
}

function files(): string[] {
  return readdirSync(directory)
    .filter((file) => file.endsWith(suffix))
    .toSorted();
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new ScenarioError('SCENARIO_UNREADABLE', `cannot read the scenario ${file}: ${messageOf(cause)}`, {
      cause,
      details: { file },
    });
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
