/** storm: the load harness. `npm run storm` (main.ts) is its face; docs/storm.md describes it. */
export type * from './storm-record.ts';
export { StormError } from './storm-error.ts';
export type { StormErrorCode } from './storm-error.ts';
export { createStormNetwork } from './network/create-storm-network.ts';
export type { StormNetworkDeps, StormNetworkOptions } from './network/create-storm-network.ts';
export type { NetworkNeeds } from './network/network-plan.ts';
export { removeStaleRuns } from './network/stale-runs.ts';
export { whyNoStormNetwork } from './network/why-no-storm-network.ts';
export { isGrowing, trendOf } from './soak/trend.ts';
export type { TimedSample, Trend } from './soak/trend.ts';
