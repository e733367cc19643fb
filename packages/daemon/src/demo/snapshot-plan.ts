import { createFiles, putCluster, type PlannedFile } from './base-plan.ts';
import { createDraws, type Draws } from './draws.ts';
import { copyPlan, type ImagePlan, isZero } from './image-plan.ts';
import { demoImageDefaults } from './options.ts';

export interface SnapshotPlanOptions {
  readonly seed: number;
  /** Which snapshot, from 0, of how many. */
  readonly snapshot: number;
  readonly snapshots: number;
  /** Clusters of data in the base; the fractions are of this. */
  readonly dataClusters: number;
  /** Clusters that neither the base nor a sibling has, as a fraction. */
  readonly changedFraction: number;
}

const firstPackageStream = 0x10000;
const firstOwnStream = 0x20000;

/**
 * A shelved instance of the base: some free space given back, packages that siblings installed too, its own logs and data where the base
 * had free space, and a boot's worth of small changes in place. All of it scattered, as on a real disk: each cluster more or less moves
 * all that follow it in the file.
 */
export function createSnapshotPlan(base: ImagePlan, options: SnapshotPlanOptions): ImagePlan {
  const { seed, snapshot, dataClusters } = options;
  const draws = createDraws(seed, 20, snapshot);
  const plan = copyPlan(base);
  trim(plan, draws, Math.floor(dataClusters * demoImageDefaults.trimmedFraction));
  for (const number of packagesOf(snapshot, options.snapshots)) {
    const packageDraws = createDraws(seed, 21, number);
    const clusters = Math.ceil(dataClusters * demoImageDefaults.packageFraction);
    for (const file of createFiles(packageDraws, firstPackageStream + number, clusters, 0)) place(plan, draws, file);
  }
  const ownClusters = Math.round(dataClusters * options.changedFraction);
  const touched = touch(plan, draws, Math.floor(ownClusters * demoImageDefaults.touchedFraction), snapshot);
  for (const file of createFiles(draws, firstOwnStream + snapshot, ownClusters - touched, 0)) place(plan, draws, file);
  return plan;
}

/**
 * Package `n` is installed in snapshots n and n + 1, every second one in n + 2 too (counted round), so each snapshot shares something
 * with several siblings and nothing but the base is in all of them. A single snapshot has no sibling to share with.
 */
export function packagesOf(snapshot: number, snapshots: number): number[] {
  if (snapshots < 2) return [];
  const numbers = new Set([snapshot, (snapshot + snapshots - 1) % snapshots]);
  const second = (snapshot + snapshots - 2) % snapshots;
  if (snapshots > 3 && second % 2 === 0) numbers.add(second);
  return [...numbers];
}

/** Free space that the guest discarded: runs of up to 8 clusters become zeros. */
function trim(plan: ImagePlan, draws: Draws, clusters: number): void {
  let left = clusters;
  while (left > 0) {
    const from = draws.below(plan.clusters);
    for (let at = from; at < Math.min(from + 8, plan.clusters) && left > 0; at += 1) {
      if (isZero(plan, at)) continue;
      plan.kind[at] = 0;
      plan.stream[at] = 0;
      plan.index[at] = 0;
      left -= 1;
    }
  }
}

/** From a drawn place on into whatever is free, so that a file may come to lie in several runs. */
function place(plan: ImagePlan, draws: Draws, file: PlannedFile): void {
  let at = draws.below(plan.clusters);
  for (let nth = 0; nth < file.clusters; nth += 1) {
    while (!isZero(plan, at)) at = (at + 1) % plan.clusters;
    putCluster(plan, at, file, nth);
  }
}

/** Changes clusters of the base in place, each at most once; returns how many. */
function touch(plan: ImagePlan, draws: Draws, clusters: number, snapshot: number): number {
  const candidates: number[] = [];
  for (let at = 0; at < plan.clusters; at += 1) {
    if (!isZero(plan, at) && (plan.stream[at] ?? 0) < firstPackageStream) candidates.push(at);
  }
  const count = Math.min(clusters, candidates.length);
  for (let i = 0; i < count; i += 1) {
    const drawn = i + draws.below(candidates.length - i);
    const at = candidates[drawn] ?? 0;
    candidates[drawn] = candidates[i] ?? 0;
    plan.touch[at] = snapshot * plan.clusters + i + 1;
  }
  return count;
}
