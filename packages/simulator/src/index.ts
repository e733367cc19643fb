// Runs the swarm's own state machines under a virtual clock, over links, disks and an origin that can be measured and broken.
export type { SimulationReport } from './report.ts';
export type * from './simulation.ts';
export type { TraceFacts, TraceKind, TracePlaces, TraceSink } from './trace.ts';
export { expectedToFinish } from './expected-to-finish.ts';
export { simulate } from './world/simulate.ts';
