// How much memory does an idle node take among 20 others, and how long does it take to open a store of a TiB?
import { symlink } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { silentLogger, systemClock } from '@quarry/runtime';
import { createDiskStore } from '@quarry/store';
import { createCluster, mainScript } from '../../test/integration/support/cluster.ts';
import type { Member } from '../../test/integration/support/cluster.ts';
import { daemonEnvironment, daemonFlags, makeBundle } from '../../tools/bundle.ts';
import { median } from '../bench.ts';
import type { Bench, BenchOptions, Report } from '../bench.ts';
import { readProcessMemory } from './process-memory.ts';
import type { ProcessMemory } from './process-memory.ts';
import { makeWideStore } from './wide-store.ts';

const OTHERS = 20;
const PACKS = 4096;
const STARTS_AT_ONCE = 4;
const MEET_WITHIN_MS = 180_000;
/** Every 30 s a node tells all that it has: two of these are among what is measured. */
const IDLE_MS = 75_000;
const MIB = 2 ** 20;

export const memory: Bench = {
  about: 'of an idle node among 20 others, with 1 TiB of packs and without; and how long opening those takes',
  parts: ['bundle', 'source'],
  async run(options) {
    const parts = options.only.length > 0 ? options.only : ['bundle'];
    const reports: Report[] = [];
    for (const part of parts) reports.push(await measure(part, await commandOf(part, options.directory), options));
    return {
      text: reports.map(({ text }) => text).join('\n\n'),
      figures: Object.assign({}, ...reports.map(({ figures }) => figures)) as object,
    };
  },
};

/** The bundle is run as on a host; the sources as `npm run quarry` does. */
async function commandOf(part: string, directory: string): Promise<readonly string[]> {
  return part === 'source' ? [mainScript] : await bundled(directory);
}

/** The daemon as a host runs it. In a directory of this run's own: what runs from a bundle must not have another put in its place. */
export async function bundled(directory: string): Promise<readonly string[]> {
  await makeBundle(join(directory, 'dist'));
  // beside it, as on a host: native add-ons are looked for there
  await symlink(resolve(import.meta.dirname, '../../node_modules'), join(directory, 'node_modules'));
  Object.assign(process.env, daemonEnvironment); // for the processes that are started from here on
  return [...daemonFlags, join(directory, 'dist', 'quarry.mjs')];
}

async function measure(part: string, command: readonly string[], options: BenchOptions): Promise<Report> {
  const { tell, signal } = options;
  const cluster = await createCluster({ command, directory: options.directory });
  try {
    tell(`making a store of ${PACKS} packs`);
    const store = join(cluster.root, 'wide', 'store');
    await makeWideStore(store, PACKS);
    const openMs = await openTimes(store, options.runs);

    tell(`starting ${OTHERS + 1} nodes`);
    const first = await cluster.startNode('node-1');
    const flags = ['--bootstrap', first.address];
    const others = [first];
    while (others.length < OTHERS) {
      signal.throwIfAborted();
      const names = Array.from(
        { length: Math.min(STARTS_AT_ONCE, OTHERS - others.length) },
        (_, i) => `node-${others.length + i + 1}`,
      );
      others.push(...(await Promise.all(names.map((name) => cluster.startNode(name, flags)))));
    }
    const wide = await cluster.startNode('wide', flags);
    await metAll(wide, signal);
    tell(`all have met; idle for ${IDLE_MS / 1000} s`);
    await systemClock.sleep(IDLE_MS, { signal });

    const withPacks = mibOf(readProcessMemory(wide.process.pid));
    const each = others.map((other) => mibOf(readProcessMemory(other.process.pid)));
    const without = {
      pssMiB: median(each.map(({ pssMiB }) => pssMiB)),
      rssMiB: median(each.map(({ rssMiB }) => rssMiB)),
      privateMiB: median(each.map(({ privateMiB }) => privateMiB)),
    };
    const row = (name: string, { pssMiB, rssMiB, privateMiB }: Figures): string =>
      `${name.padEnd(40)} ${pssMiB.toFixed(1).padStart(8)} ${rssMiB.toFixed(1).padStart(8)} ${privateMiB.toFixed(1).padStart(8)}`;
    return {
      text: [
        `${''.padEnd(40)}  PSS MiB  RSS MiB  private`,
        row(`${part}: with ${PACKS} packs`, withPacks),
        row(`${part}: without packs (median of ${OTHERS})`, without),
        '',
        `opening the store of ${PACKS} packs: ${openMs.toFixed(0)} ms (median of ${options.runs})`,
      ].join('\n'),
      figures: { [part]: { withPacks, without }, openMs },
    };
  } finally {
    await cluster.stop();
  }
}

interface Figures {
  readonly pssMiB: number;
  readonly rssMiB: number;
  readonly privateMiB: number;
}

function mibOf({ pssBytes, rssBytes, privateBytes }: ProcessMemory): Figures {
  const mib = (bytes: number): number => Math.round((bytes / MIB) * 10) / 10;
  return { pssMiB: mib(pssBytes), rssMiB: mib(rssBytes), privateMiB: mib(privateBytes) };
}

async function openTimes(directory: string, runs: number): Promise<number> {
  const times: number[] = [];
  for (let run = 0; run < runs; run += 1) {
    const startMs = systemClock.now();
    const store = await createDiskStore({ clock: systemClock, logger: silentLogger }, { directory });
    times.push(systemClock.now() - startMs);
    if (store.packs.usage().packs !== PACKS) throw new Error(`the store has ${store.packs.usage().packs} packs`);
    await store.close();
  }
  return Math.round(median(times));
}

async function metAll({ client }: Member, signal: AbortSignal): Promise<void> {
  const untilMs = systemClock.now() + MEET_WITHIN_MS;
  for (;;) {
    const { peers } = await client.status({ signal });
    if (peers >= OTHERS) return;
    if (systemClock.now() > untilMs) throw new Error(`only ${peers} of ${OTHERS} others are connected`);
    await systemClock.sleep(500, { signal });
  }
}
