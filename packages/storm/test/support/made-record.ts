import type { ContestantRecord, StormRecord } from '../../src/storm-record.ts';

/** A contestant that brought one image to two hosts; `more` replaces fields. */
export function madeContestant(more: Partial<ContestantRecord> = {}): ContestantRecord {
  return {
    name: 'quarry',
    about: 'daemons',
    ran: true,
    finished: 2,
    expectedToFinish: 2,
    makespanSeconds: 15.2,
    ratio: 15.2 / 13.4,
    p50Seconds: 14.9,
    p95Seconds: 15.2,
    p99Seconds: 15.2,
    originBytes: 34_000_000,
    uniqueBytes: 33_554_432,
    originAmplification: 34_000_000 / 33_554_432,
    wrongBytes: 0,
    cpuSecondsPerGb: 12,
    peakRssMiB: 120,
    meanPssMiB: 64,
    cpuIdlePercent: 55,
    unshelves: [0, 1].map((host) => ({
      host,
      image: 0,
      atSeconds: 0,
      endedSeconds: 15 + host / 10,
      isExpected: true,
      wrongBytes: 0,
    })),
    samples: [{ seconds: 0.5, originBytesPerSecond: 2.4e6, cpuBusyPercent: 40, finished: 0 }],
    hosts: [0, 1].map((host) => ({ name: `h${host}`, zone: 0, cpuSeconds: 1, peakRssMiB: 120, pssMiB: 64 })),
    criticalPath: [],
    notes: [],
    ...more,
  };
}

export function madeRecord(contestants: readonly ContestantRecord[], more: Partial<StormRecord> = {}): StormRecord {
  return {
    scenario: 'same-image',
    about: 'Every host unshelves the same image at once.',
    seed: 1,
    hosts: 2,
    zones: 1,
    linkBytesPerSecond: 2.5e6,
    originBytesPerSecond: 2.5e6,
    budgetBytesPerSecond: null,
    imageBytes: { count: 1, smallest: 33_554_432, largest: 33_554_432 },
    glance: 'embedded',
    boundSeconds: 13.42,
    boundBy: 'the origin’s link',
    calibration: [],
    startedAt: '2026-01-01T00:00:00.000Z',
    machine: { cores: 2, memoryGiB: 24, kernel: '6.1', node: 'v24' },
    commit: 'abc',
    contestants,
    ...more,
  };
}
