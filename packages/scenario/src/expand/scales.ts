import type { Rate, Scenario, Span } from '../format/scenario.ts';
import { ScenarioError } from '../scenario-error.ts';

/** What relative rates and times are relative to. */
export interface Scales {
  /** Bytes per second. */
  readonly link: number;
  /** `link` ÷ the link that the file gives: absolute rates of links follow it. */
  readonly stretch: number;
  /** The unit F; 0 before the images are known, of which no time depends. */
  readonly downloadMs: number;
  /** The unit T; undefined before the bound is known. */
  readonly boundMs?: number;
}

export function linkScales(scenario: Scenario, link: number = scenario.hosts.link): Scales {
  return { link, stretch: link / scenario.hosts.link, downloadMs: 0 };
}

/** A link's rate in bytes per second. */
export function linkRateOf(rate: Rate, scales: Scales): number {
  return rate.amount * (rate.unit === 'links' ? scales.link : scales.stretch);
}

/** A rate that is no link's: given absolutely, it stays. */
export function plainRateOf(rate: Rate, scales: Scales): number {
  return rate.amount * (rate.unit === 'links' ? scales.link : 1);
}

export function msOf(span: Span, scales: Scales): number {
  if (span.unit === 'ms') return span.amount;
  if (span.unit === 'downloads') return span.amount * scales.downloadMs;
  if (scales.boundMs === undefined) throw new TypeError('a time in T before the bound is known');
  return span.amount * scales.boundMs;
}

export function impossible(scenario: Scenario, problem: string, details: Record<string, unknown> = {}): ScenarioError {
  return new ScenarioError('SCENARIO_IMPOSSIBLE', `${scenario.file}: ${problem}`, {
    details: { file: scenario.file, ...details },
  });
}
