import { mkdir, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findLibtorrentPython, runToEnd, startProcess, writeTorrent } from '@quarry/storm';
import type { Sample } from '../bench.ts';
import type { ContestantSetup, Entry } from './contestant-setup.ts';

export const libtorrentName = 'libtorrent, one seed to one leech';

const script = fileURLToPath(new URL('./libtorrent-peer.py', import.meta.url));

/** libtorrent-peer.py says how it is tuned. Its leech times itself: neither the start of Python nor the session's goodbye counts. */
export async function libtorrent(setup: ContestantSetup): Promise<Entry> {
  const { image, directory, signal, lifecycle, prepare, check } = setup;
  const python = await findLibtorrentPython({ signal });
  if (python === undefined) {
    return {
      name: libtorrentName,
      why: 'python3-libtorrent is not installed; benchmarks/install-peers.sh installs it',
    };
  }
  const torrent = join(directory, 'image.torrent');
  await writeTorrent(image, torrent, undefined);
  let onPort: (port: number) => void = () => {};
  const listening = new Promise<number>((resolve) => (onPort = resolve));
  const seed = startProcess('the seed (libtorrent)', [python, script, 'seed', torrent, dirname(image)], {
    signal,
    onLine: (line) => onPort((JSON.parse(line) as { port: number }).port),
  });
  lifecycle.onClose('the seed (libtorrent)', () => seed.stop());
  const port = await Promise.race([
    listening,
    seed.ended.then(() => Promise.reject(new Error('the seed (libtorrent) has ended'))),
  ]);
  const run = async (): Promise<Sample> => {
    const target = join(directory, 'received');
    await mkdir(target);
    await prepare();
    const before = await seed.usage();
    const { stdout } = await runToEnd([python, script, 'leech', torrent, target, String(port)], { signal });
    const after = await seed.usage();
    await check(join(target, basename(image)));
    await rm(target, { recursive: true });
    return {
      ...(JSON.parse(stdout) as Sample),
      senderCpuSeconds: after.cpuSeconds - before.cpuSeconds,
      senderPeakRssMiB: after.peakRssMiB,
    };
  };
  return { contestants: [{ name: libtorrentName, run }] };
}
