/**
 * scenario: storms as declarative files. `loadScenario` reads one (format/), `expandScenario` works it out into a `Storm`, the contract with
 * whoever runs it (expand/), and `boundOf` says what no schedule can beat (bound/). docs/scenarios.md describes the files.
 */
export type * from './storm.ts';
export { bindingPart } from './bound/binding-part.ts';
export { boundOf } from './bound/bound-of.ts';
export type { Bound, BoundParts } from './bound/bound-of.ts';
export { expandScenario } from './expand/expand-scenario.ts';
export type { ExpandOptions } from './expand/expand-scenario.ts';
export { loadScenario, scenarioFrom, scenarioNames } from './format/load-scenario.ts';
export { parseScale } from './format/parse-scale.ts';
export type { Scenario } from './format/scenario.ts';
export { ScenarioError } from './scenario-error.ts';
export type { ScenarioErrorCode } from './scenario-error.ts';
