import type { Keys } from './scenario-keys.ts';
import type * as s from './scenario.ts';
import { choice, endSpan, flag, hostShare, integer, lateSpan, positive } from './value-kind.ts';

const hosts: Keys<s.StallTable>['hosts'] = {
  kind: hostShare,
  doc: 'Which part of the hosts, rounded up; drawn at random for each fault, but no host is killed by two.',
};
const at: Keys<s.StallTable>['at'] = { kind: lateSpan, default: '0s', doc: 'When.' };
const until: Keys<s.StallTable>['until'] = { kind: endSpan, default: 'forever', doc: 'When it is over.' };
const stall: Keys<s.StallTable> = { hosts, at, until };
const factor: Keys<s.SlowTable>['factor'] = {
  kind: positive,
  doc: 'Work at this fraction of their speed: 0.25 is a quarter.',
};

export interface FaultKeys<T> {
  readonly keys: Keys<T>;
  readonly doc: string;
}

interface AllFaults {
  readonly kill: FaultKeys<s.KillTable>;
  readonly stall: FaultKeys<s.StallTable>;
  readonly slowLink: FaultKeys<s.SlowTable>;
  readonly slowCpu: FaultKeys<s.SlowTable>;
  readonly lie: FaultKeys<s.LieTable>;
  readonly partition: FaultKeys<s.StallTable>;
  readonly seedersLeave: FaultKeys<s.SeedersLeaveTable>;
  readonly originFails: FaultKeys<s.OriginFailsTable>;
}

/** The keys of `[[faults]]` depend on its `kind`. */
export const faults: AllFaults = {
  kill: {
    doc: 'Hosts die.',
    keys: {
      hosts,
      at,
      over: { kind: lateSpan, default: '0s', doc: 'They die one by one, each at any moment of this span.' },
      restartAfter: { kind: lateSpan, absent: 'they stay dead', doc: 'So long after, each starts again.' },
      tornChunks: { kind: integer(0, 4096), default: 0, doc: 'How many of the chunks written last are lost then.' },
    },
  },
  stall: { doc: 'Hosts neither send nor receive nor decide; their connections stay open.', keys: stall },
  slowLink: { doc: 'Hosts’ links get slow.', keys: { ...stall, factor } },
  slowCpu: { doc: 'Hosts’ CPUs get slow: hops and verifying take longer.', keys: { ...stall, factor } },
  lie: {
    doc: 'Hosts lie.',
    keys: {
      hosts,
      at,
      lie: {
        kind: choice('badChunks', 'falseHaves'),
        doc: '"badChunks": what they send has not its digests; "falseHaves": they show everything and answer "absent".',
      },
    },
  },
  partition: { doc: 'These hosts and all others, the store among them, do not reach each other.', keys: stall },
  seedersLeave: {
    doc: 'All seeders go.',
    keys: {
      at,
      isOrderly: {
        kind: flag,
        default: false,
        doc: 'Each leaves when its rule for leaving allows it, else it dies at once.',
      },
    },
  },
  originFails: {
    doc: 'Reads from the store itself fail.',
    keys: {
      at,
      until,
      how: {
        kind: choice('errors', 'hangs', 'truncates'),
        doc: 'Refused at once, never answered, or broken off half-way.',
      },
    },
  },
};
