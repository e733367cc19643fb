/** storm: the load harness. `npm run storm` (main.ts) is its face; docs/storm.md describes it. */
export type * from './storm-record.ts';
export { StormError } from './storm-error.ts';
export type { StormErrorCode } from './storm-error.ts';
