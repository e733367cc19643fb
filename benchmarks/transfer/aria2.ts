// One aria2 that has the file to one that has not, by BitTorrent and nothing else: who there is, a tracker of our own says.
import { mkdir, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { systemClock } from '@quarry/runtime';
import { findCommand, startProcess, startTracker, writeTorrent } from '@quarry/storm';
import type { Sample } from '../bench.ts';
import { runTimed } from '../processes.ts';
import type { ContestantSetup, Entry } from './contestant-setup.ts';
import { freePort } from './free-port.ts';

export const aria2Name = 'aria2, one seed to one leech';

const common = [
  '--no-conf=true',
  '--enable-dht=false',
  '--enable-dht6=false',
  '--bt-enable-lpd=false',
  '--enable-peer-exchange=false',
  '--disable-ipv6=true',
  '--console-log-level=warn',
  '--summary-interval=0',
  '--show-console-readout=false',
  '--file-allocation=none',
  '--bt-max-peers=0',
  '--bt-request-peer-speed-limit=0',
  `--stop-with-process=${process.pid}`,
];

export async function aria2(setup: ContestantSetup): Promise<Entry> {
  if (findCommand('aria2c') === undefined) {
    return { name: aria2Name, why: 'aria2c is not installed; benchmarks/install-peers.sh installs it' };
  }
  const { image, directory, signal, lifecycle, prepare, check } = setup;
  const tracker = await startTracker();
  lifecycle.onClose('the tracker', () => tracker.close());
  const torrent = join(directory, 'image.torrent');
  await writeTorrent(image, torrent, tracker.announceUrl);
  const seed = startProcess(
    'the seed (aria2)',
    [
      'aria2c',
      ...common,
      '--seed-ratio=0.0',
      '--bt-seed-unverified=true',
      '--allow-overwrite=true',
      `--listen-port=${await freePort()}`,
      `--dir=${dirname(image)}`,
      torrent,
    ],
    { signal },
  );
  lifecycle.onClose('the seed (aria2)', () => seed.stop());
  const fails = seed.ended.then(() => Promise.reject(new Error('the seed (aria2) has ended')));
  fails.catch(() => {});
  await Promise.race([tracker.seeded(signal), fails]);
  const run = async (): Promise<Sample> => {
    const target = join(directory, 'received');
    await mkdir(target);
    await prepare();
    const before = await seed.usage();
    const startMs = systemClock.now();
    const options = [...common, '--seed-time=0', `--listen-port=${await freePort()}`, `--dir=${target}`];
    const sample = await runTimed('aria2c "$@"', [...options, torrent], { signal });
    const after = await seed.usage();
    await check(join(target, basename(image)));
    await rm(target, { recursive: true });
    // It leaves two seconds after its last byte: what counts is when it told the tracker that it has everything.
    const saidMs = tracker.completedAtMs;
    const seconds = saidMs !== undefined && saidMs > startMs ? (saidMs - startMs) / 1000 : sample.seconds;
    return {
      ...sample,
      seconds: Math.min(seconds, sample.seconds),
      senderCpuSeconds: after.cpuSeconds - before.cpuSeconds,
      senderPeakRssMiB: after.peakRssMiB,
    };
  };
  return { contestants: [{ name: aria2Name, run }] };
}
