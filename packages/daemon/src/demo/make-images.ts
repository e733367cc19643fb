import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createBasePlan } from './base-plan.ts';
import { createDiskImageWriter, type DiskImageFormat, type DiskImageWriter } from './disk-image-writer.ts';
import { createImageContent, type ImageContent } from './image-content.ts';
import { dataBytesOf, endsFile, holdSame, type ImagePlan, isZero, planKinds } from './image-plan.ts';
import { demoImageDefaults } from './options.ts';
import { clusterBytes } from './qcow2-layout.ts';
import { createSnapshotPlan } from './snapshot-plan.ts';

export interface MakeImagesOptions {
  /** Created if it is missing; images of the same names in it are replaced. */
  readonly dir: string;
  /** 32 bits. The same seed and numbers give the same bytes on every machine. */
  readonly seed: number;
  /** Data of the base, rounded up to 64 KiB; its virtual disk is about twice as large, the rest of it zeros. */
  readonly baseBytes: number;
  /** How many snapshots of the base, from 0. */
  readonly snapshots: number;
  /** What each snapshot has that neither base nor siblings have, as a fraction of `baseBytes`. */
  readonly changedFraction?: number;
  readonly format?: DiskImageFormat;
  readonly signal?: AbortSignal;
  /** After about each 4 MiB of all images' data, and at the end. */
  readonly onProgress?: (progress: MakeImagesProgress) => void;
}

export interface MakeImagesProgress {
  readonly doneBytes: number;
  readonly totalBytes: number;
}

export interface MadeImage {
  /** The file's name: `base.qcow2`, `vm-01.qcow2`… */
  readonly name: string;
  readonly path: string;
  readonly sizeBytes: number;
  readonly format: DiskImageFormat;
}

/**
 * Makes a family of disk images: a base and different snapshots of it, as Nova makes them when it shelves. What is in them is decided
 * first, as plans; then all of them are written in one pass over the guest's disk, so that what they share is generated once.
 *
 * Rejects with RangeError for numbers out of range, the signal's reason when aborted, and the file system's errors. Until all data is
 * written, no image stands under its name; what was written before a failure is removed.
 */
export async function makeImages(options: MakeImagesOptions): Promise<MadeImage[]> {
  checkOptions(options);
  const {
    dir,
    seed,
    format = 'qcow2',
    changedFraction = demoImageDefaults.changedFraction,
    snapshots,
    signal,
  } = options;
  signal?.throwIfAborted();
  const dataClusters = Math.ceil(options.baseBytes / clusterBytes);
  const base = createBasePlan(seed, dataClusters);
  const plans = [base];
  for (let snapshot = 0; snapshot < snapshots; snapshot += 1) {
    plans.push(createSnapshotPlan(base, { seed, snapshot, snapshots, dataClusters, changedFraction }));
  }
  const names = plans.map((_, i) => `${i === 0 ? 'base' : `vm-${String(i).padStart(2, '0')}`}.${format}`);

  await mkdir(dir, { recursive: true });
  const writers: DiskImageWriter[] = [];
  try {
    for (const name of names)
      writers.push(await createDiskImageWriter(join(dir, name), format, base.clusters * clusterBytes));
    await writeData(plans, writers, createImageContent(seed), options);
    const images: MadeImage[] = [];
    for (const [i, name] of names.entries()) {
      images.push({ name, path: join(dir, name), sizeBytes: (await writers[i]?.commit()) ?? 0, format });
    }
    return images;
  } catch (error) {
    // The first failure is the one to report; a file that cannot be removed either is a dot file that the next run overwrites.
    await Promise.allSettled(writers.map((writer) => writer.discard()));
    throw error;
  }
}

async function writeData(
  plans: readonly ImagePlan[],
  writers: readonly DiskImageWriter[],
  content: ImageContent,
  { signal, onProgress }: MakeImagesOptions,
): Promise<void> {
  const [base] = plans;
  if (!base) return;
  const totalBytes = plans.reduce((sum, plan) => sum + dataBytesOf(plan), 0);
  let doneBytes = 0;
  let reportedBytes = 0;
  const shared = Buffer.alloc(clusterBytes);
  const own = Buffer.alloc(clusterBytes);
  for (let at = 0; at < base.clusters; at += 1) {
    signal?.throwIfAborted();
    if (!isZero(base, at)) render(shared, base, at, content);
    for (const [i, plan] of plans.entries()) {
      if (isZero(plan, at)) continue;
      const bytes = holdSame(plan, base, at) ? shared : own;
      if (bytes === own) render(own, plan, at, content);
      await writers[i]?.append(at, bytes);
      doneBytes += clusterBytes;
    }
    if (doneBytes - reportedBytes >= 4 * 1024 * 1024 || (at === base.clusters - 1 && doneBytes > reportedBytes)) {
      reportedBytes = doneBytes;
      onProgress?.({ doneBytes, totalBytes });
    }
  }
}

/** The bytes that the plan names, in a cluster that is not zero. */
function render(target: Buffer, plan: ImagePlan, cluster: number, content: ImageContent): void {
  const marked = plan.kind[cluster] ?? 0;
  const kind = planKinds[marked & ~endsFile] ?? 'zero';
  if (kind === 'zero') throw new TypeError(`cluster ${cluster} is zeros and not to be written`);
  const index = plan.index[cluster] ?? 0;
  content.fill(target, kind, plan.stream[cluster] ?? 0, index);
  // A file's last 64 KiB are used up to some block of 4 KiB.
  if (marked & endsFile) target.fill(0, (1 + (index % 16)) * 4096);
  const touch = plan.touch[cluster] ?? 0;
  if (touch !== 0) content.touch(target, touch);
}

function checkOptions({
  seed,
  baseBytes,
  snapshots,
  changedFraction = demoImageDefaults.changedFraction,
}: MakeImagesOptions): void {
  const { minBaseBytes, maxBaseBytes, maxSnapshots, maxChangedFraction } = demoImageDefaults;
  checkRange('seed', seed, 0, 0xffff_ffff, true);
  checkRange('baseBytes', baseBytes, minBaseBytes, maxBaseBytes, true);
  checkRange('snapshots', snapshots, 0, maxSnapshots, true);
  checkRange('changedFraction', changedFraction, 0, maxChangedFraction, false);
}

function checkRange(name: string, value: number, min: number, max: number, isWhole: boolean): void {
  if (value >= min && value <= max && (!isWhole || Number.isInteger(value))) return;
  throw new RangeError(`${name} must be a ${isWhole ? 'whole ' : ''}number from ${min} to ${max}, not ${value}`);
}
