import { createVirtualClock } from '@quarry/runtime';
import type { Storm } from '@quarry/scenario';
import { expect, test } from 'vitest';
import type { Attempt } from '../../src/contestant.ts';
import { playStorm } from '../../src/run/play-storm.ts';
import type { PlayedStorm } from '../../src/run/play-storm.ts';
import { smallStorm } from '../support/small-storm.ts';

interface Played {
  readonly storm: PlayedStorm;
  /** What network, Glance and contestant were told, with the time in ms. */
  readonly told: readonly string[];
}

/** Plays it in virtual time with a contestant that takes `takesMs` for each unshelve and each shelve. */
async function play(
  storm: Storm,
  {
    takesMs,
    patienceMs = 60_000,
    known = true,
  }: { takesMs: (host: number) => number; patienceMs?: number; known?: boolean },
): Promise<Played> {
  const clock = createVirtualClock();
  const told: string[] = [];
  const startMs = clock.now();
  const tell = (what: string): void => void told.push(`${Math.round(clock.now() - startMs)} ${what}`);
  const ids = new Map<number, string>();
  const attempt: Attempt = {
    async unshelve({ host }, file, { signal }) {
      tell(`unshelve ${host} into ${file}`);
      await clock.sleep(takesMs(host), { signal });
    },
    async shelve({ host, image }, { signal }) {
      tell(`shelve ${image} on ${host}`);
      await clock.sleep(takesMs(host), { signal });
      ids.set(image, 'id');
    },
    async fault({ kind }) {
      tell(`fault ${kind}`);
      return kind !== 'slowCpu';
    },
    processes: () => [],
    account: async () => ({}),
  };
  const network = {
    setLinkFactor: async (host: number, factor: number) => tell(`link ${host} x ${factor}`),
    setCutOff: async (hosts: readonly number[], isCutOff: boolean) => tell(`cut ${hosts.length} ${isCutOff}`),
  };
  const glance = {
    id: (image: number) => (known ? 'id' : ids.get(image)),
    setFailing: async (how: string | undefined) => tell(`glance ${how ?? 'works'}`),
  };
  const deps = { clock, network, glance, attempt } as unknown as Parameters<typeof playStorm>[1];
  const playing = playStorm(storm, deps, {
    fileOf: (index) => `f${index}`,
    patienceMs,
    signal: new AbortController().signal,
    onEnded: () => {},
  });
  let isOver = false;
  const over = playing.finally(() => (isOver = true));
  for (let step = 0; !isOver && step < 2000; step += 1) await clock.advance(50);
  return { storm: await over, told };
}

test('all unshelves that begin at once run at once, each into a file of its own', async () => {
  const { storm, told } = await play(smallStorm(), { takesMs: (host) => 1000 + host });
  expect(new Set(told.map((line) => line.split(' into ')[0]))).toEqual(
    new Set([0, 1, 2, 3].map((host) => `0 unshelve ${host}`)),
  );
  expect(new Set(told.map((line) => line.split(' into ')[1])).size).toBe(4);
  expect(storm.durationMs).toBeCloseTo(1003, 0);
  expect(storm.unshelves.every(({ failure }) => failure === undefined)).toBe(true);
});

test('what runs on a host that dies is over, and the others go on', async () => {
  const { storm, told } = await play(smallStorm('[[faults]]\nkind = "kill"\nhosts = 1\nat = "500ms"\n'), {
    takesMs: () => 1000,
  });
  expect(told.filter((line) => line.endsWith('fault kill'))).toEqual(['500 fault kill']);
  expect(storm.unshelves.flatMap(({ failure }) => failure ?? [])).toEqual(['its host died']);
});

test('links, cut-offs and Glance get worse and better at their times, and a fault after the end is not waited for', async () => {
  const faults =
    '[[faults]]\nkind = "slowLink"\nhosts = 1\nat = "100ms"\nuntil = "200ms"\nfactor = 0.5\n' +
    '[[faults]]\nkind = "partition"\nhosts = 2\nat = "300ms"\nuntil = "400ms"\n' +
    '[[faults]]\nkind = "originFails"\nat = "500ms"\nuntil = "600ms"\nhow = "hangs"\n' +
    '[[faults]]\nkind = "seedersLeave"\nat = "50s"\n';
  const storm = smallStorm(`${faults}[origin]\nisReadable = true\n`);
  const { told, storm: played } = await play(storm, { takesMs: () => 1000 });
  const said = told.filter((line) => !line.includes('unshelve')).map((line) => line.replace(/link \d/, 'link'));
  expect(said).toEqual([
    '100 link x 0.5',
    '200 link x 1',
    '300 cut 2 true',
    '400 cut 2 false',
    '500 glance hangs',
    '600 glance works',
  ]);
  expect(played.durationMs).toBe(1000);
});

test('what is unshelved before it is shelved waits for that, and its time counts from then', async () => {
  const more = '[[shelves]]\nimages = "image"\nchoose = "first"\ncount = 1\nat = "2s"\n';
  const { storm } = await play(smallStorm(more), { takesMs: () => 1000, known: false });
  expect(storm.unshelves.map(({ atMs, endedMs }) => [atMs, endedMs])).toEqual(
    Array.from({ length: 4 }, () => [3000, 4000]),
  );
});

test('an unshelve that does not end has failed when patience has, and says so', async () => {
  const { storm } = await play(smallStorm(), { takesMs: (host) => (host === 2 ? 1e9 : 10), patienceMs: 5000 });
  expect(storm.unshelves.filter(({ failure }) => failure !== undefined).map(({ failure }) => failure)).toEqual([
    'not over after 5 s',
  ]);
  expect(storm.durationMs).toBe(10);
});

test('a fault that means nothing to the contestant is noted', async () => {
  const more = '[[faults]]\nkind = "slowCpu"\nhosts = 1\nat = "0s"\nfactor = 0.5\n';
  const { storm } = await play(smallStorm(more), { takesMs: () => 10 });
  expect(storm.notes).toEqual(['the fault "slowCpu" means nothing here']);
});
