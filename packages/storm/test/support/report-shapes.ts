import { plausibleRecord } from './plausible-record.ts';
import type { StormRecord } from '../../src/storm-record.ts';

const ALL = ['quarry', 'direct', 'shared-file', 'rack-cache', 'aria2', 'libtorrent'];

/** Records that ask different things of the report, by name. */
export const REPORT_SHAPES: Readonly<Record<string, StormRecord>> = {
  alone: plausibleRecord({ hosts: 8, contestants: ['quarry'], notRun: ['libtorrent'] }),
  six: plausibleRecord({
    hosts: 40,
    contestants: ALL,
    budgetBytesPerSecond: 1_900_000,
    idlePercent: { quarry: 22, libtorrent: 9.4 },
  }),
  close: plausibleRecord({ hosts: 20, contestants: ['quarry', 'aria2', 'libtorrent'], originFactor: 4 }),
  morning: plausibleRecord({ hosts: 40, contestants: ['quarry', 'direct'], arrivalSeconds: 180, everySeconds: 0.25 }),
  'two hundred': plausibleRecord({
    hosts: 200,
    contestants: ['quarry', 'aria2'],
    zones: 10,
    idlePercent: { quarry: 17 },
  }),
  failing: plausibleRecord({
    hosts: 8,
    contestants: ALL,
    finishing: { libtorrent: 0.7, direct: 0, aria2: 0.9 },
    wrongBytes: { 'shared-file': 65_536 },
  }),
  nothing: plausibleRecord({ hosts: 8, contestants: ['quarry', 'direct'], finishing: { quarry: 0, direct: 0 } }),
  nobody: plausibleRecord({ hosts: 2, contestants: [], notRun: ['quarry', 'aria2'] }),
};
