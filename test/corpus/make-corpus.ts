// A small family of real disk images, for what depends on file systems and on qemu's own writer: deduplication, manifests, transfer.
//
//     [SCALE=n] [SEED=n] node test/corpus/make-corpus.ts DIR      SCALE 1, the default: about 0.3 GB on disk
//
//   base    an installed system (ext4, no partition table), most of the disk free
//   light   base, booted and a little used
//   app     base, booted, with packages, an access log and a database
//   app2    app, shelved again later: a log rotated, uploads, rows of the database changed in place, a package upgraded
//
// Each as NAME.raw and NAME.qcow2 (`qemu-img convert`, as Nova makes snapshots); base and app as NAME.c.qcow2 too (`convert -c`).
// Generated from the seed alone: the same on every machine with the same e2fsprogs and qemu-img.
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createDraws } from '../../packages/daemon/src/demo/draws.ts';
import { formatExt4, openExt4 } from './ext4-image.ts';
import { createGuest, type Guest } from './guest.ts';
import { bornAt, type Stage, stages } from './stages.ts';

export interface MakeCorpusOptions {
  /** Created if it is missing; images of the same names in it are replaced. */
  readonly dir: string;
  /** 1: files of 24 MiB in the base, on a disk of 128 MiB. At least 0.25. */
  readonly scale: number;
  /** Another seed, another family. */
  readonly seed: number;
  readonly signal?: AbortSignal;
}

export interface CorpusImage {
  readonly name: string;
  readonly path: string;
  readonly sizeBytes: number;
  readonly onDiskBytes: number;
}

const run = promisify(execFile);

/** Needs mke2fs, debugfs, e2fsck, cp and qemu-img; rejects if one of them is missing or complains. Images get their names when all are whole. */
export async function makeCorpus(options: MakeCorpusOptions): Promise<CorpusImage[]> {
  const { dir, scale, seed, signal = new AbortController().signal } = options;
  if (!(scale >= 0.25)) throw new RangeError(`the scale must be a number from 0.25 on, not ${scale}`);
  await mkdir(dir, { recursive: true });
  const workDir = await mkdtemp(join(dir, '.making-'));
  try {
    const guests = new Map<string, Guest>();
    const names: string[] = [];
    for (const stage of stages) {
      const stagingDir = join(workDir, `${stage.name}.files`);
      await mkdir(stagingDir);
      const guest = guests.get(stage.from ?? '')?.fork(stagingDir) ?? createGuest({ seed, scale, stagingDir });
      guests.set(stage.name, guest);
      await stage.live(guest, scale);
      await makeDisk(stage, guest, workDir, { scale, seed, signal });
      await rm(stagingDir, { recursive: true });
      names.push(`${stage.name}.raw`, ...(await convert(stage, workDir, signal)));
    }
    const images: CorpusImage[] = [];
    for (const name of names) {
      const path = join(dir, name);
      await rename(join(workDir, name), path);
      const { size, blocks } = await stat(path);
      images.push({ name, path, sizeBytes: size, onDiskBytes: blocks * 512 });
    }
    return images;
  } finally {
    await rm(workDir, { recursive: true });
  }
}

interface DiskOptions {
  readonly scale: number;
  readonly seed: number;
  readonly signal: AbortSignal;
}

/** Writes what the guest did onto a copy of the disk it goes on from, or onto a new one. */
async function makeDisk(
  stage: Stage,
  guest: Guest,
  workDir: string,
  { scale, seed, signal }: DiskOptions,
): Promise<void> {
  const path = join(workDir, `${stage.name}.raw`);
  if (stage.from === undefined) {
    const uuid = `71756172-7279-4000-8000-${seed.toString(16).padStart(12, '0')}`;
    const diskBytes = Math.round(128 * scale) * 1024 * 1024;
    await formatExt4(path, { diskBytes, uuid, bornAt }, { workDir, signal });
  } else {
    await run('cp', ['--sparse=always', join(workDir, `${stage.from}.raw`), path], { signal });
  }
  const disk = openExt4(path, { workDir, signal });
  await disk.edit(guest.commands());
  await stage.changeInPlace(disk, createDraws(seed, 200, stages.indexOf(stage)), scale);
  await disk.check();
}

async function convert({ name, isCompressedToo }: Stage, cwd: string, signal: AbortSignal): Promise<string[]> {
  const common = ['-f', 'raw', '-O', 'qcow2', `${name}.raw`];
  await run('qemu-img', ['convert', ...common, `${name}.qcow2`], { cwd, signal });
  if (!isCompressedToo) return [`${name}.qcow2`];
  await run('qemu-img', ['convert', '-c', ...common, `${name}.c.qcow2`], { cwd, signal });
  return [`${name}.qcow2`, `${name}.c.qcow2`];
}

if (import.meta.main) {
  const [dir] = process.argv.slice(2);
  if (dir === undefined) {
    console.error('Usage: [SCALE=n] [SEED=n] node test/corpus/make-corpus.ts DIR');
    process.exit(2);
  }
  const scale = Number(process.env['SCALE'] ?? 1);
  for (const image of await makeCorpus({ dir, scale, seed: Number(process.env['SEED'] ?? 1) })) {
    const mb = (bytes: number): string => (bytes / 1e6).toFixed(1).padStart(8);
    console.log(`${image.name.padEnd(14)} ${mb(image.sizeBytes)} MB ${mb(image.onDiskBytes)} MB on disk`);
  }
}
