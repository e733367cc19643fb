// The swarm's decisions, pure: what the daemon runs and what the simulator runs.
export { createFetchScheduler } from './fetch-scheduler.ts';
export type { FetchScheduler, SchedulerLoad } from './fetch-scheduler.ts';
export type * from './fetch-events.ts';
export { createSeederLedger } from './seeder-ledger.ts';
export type { SeederLedger } from './seeder-ledger.ts';
export type { LedgerAction, LedgerEvent, LedgerOptions, LedgerStatus, RegiveReason } from './ledger-events.ts';
export { createSenderSlots } from './sender-slots.ts';
export type { SenderSlots, SlotVerdict } from './sender-slots.ts';
export * from './piece-masks.ts';
export type { SchedulerOptions } from './scheduler-options.ts';
export { hasZones, isOtherZone, isSameZone, neighboursOf } from '../membership/neighbours.ts';
export type { Neighbour, NeighbourOptions } from '../membership/neighbours.ts';
export type { PeerId } from '../ports/network.ts';
