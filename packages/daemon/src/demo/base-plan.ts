import { createDraws, type Draws } from './draws.ts';
import { createPlan, endsFile, type ImagePlan } from './image-plan.ts';

/** A run of clusters with one kind of content: a file of the imaginary guest. */
export interface PlannedFile {
  readonly kind: number;
  readonly stream: number;
  readonly firstIndex: number;
  readonly clusters: number;
}

const baseStream = 1;

/**
 * A freshly installed system: files of 1 to 127 clusters, one after the other with gaps of free space, the rest of the disk free. About
 * half of the disk is zeros, and about 3 % of the data are files that are there twice.
 */
export function createBasePlan(seed: number, dataClusters: number): ImagePlan {
  const draws = createDraws(seed, 10);
  const files = createFiles(draws, baseStream, dataClusters, 0.03);
  const gaps = files.map((file) => (draws.below(3) === 0 ? draws.below(3 * file.clusters + 1) : 0));
  const usedClusters = gaps.reduce((sum, gap) => sum + gap, dataClusters);
  // Whole MiB, as qemu-img and cloud flavours make disks.
  const plan = createPlan(Math.ceil(Math.max(usedClusters, 2 * dataClusters) / 16) * 16);
  let at = 0;
  files.forEach((file, i) => {
    for (let j = 0; j < file.clusters; j += 1) putCluster(plan, at + j, file, j);
    at += file.clusters + (gaps[i] ?? 0);
  });
  return plan;
}

/** Files with `clusters` in all, of which up to `twiceFraction` repeat an earlier file. */
export function createFiles(draws: Draws, stream: number, clusters: number, twiceFraction: number): PlannedFile[] {
  const files: PlannedFile[] = [];
  let placed = 0;
  let twice = 0;
  while (placed < clusters) {
    const earlier = files[draws.below(Math.max(1, files.length))];
    if (earlier && draws.below(4) === 0 && twice + earlier.clusters <= placed * twiceFraction) {
      twice += earlier.clusters;
      placed += earlier.clusters;
      files.push(earlier);
      continue;
    }
    const scale = 1 << draws.below(7);
    // No file is more than an eighth of a small image: it would have no mixture.
    const length = Math.min(scale + draws.below(scale), clusters - placed, Math.ceil(clusters / 8));
    files.push({ kind: drawKind(draws), stream, firstIndex: placed, clusters: length });
    placed += length;
  }
  return files;
}

export function putCluster(plan: ImagePlan, cluster: number, file: PlannedFile, nth: number): void {
  plan.kind[cluster] = nth === file.clusters - 1 ? file.kind | endsFile : file.kind;
  plan.stream[cluster] = file.stream;
  plan.index[cluster] = file.firstIndex + nth;
  plan.touch[cluster] = 0;
}

/** Indexes into `planKinds`: in sixteenths of the files, 5 text, 9 binary, 2 packed. */
function drawKind(draws: Draws): number {
  const sixteenth = draws.below(16);
  if (sixteenth < 5) return 1;
  return sixteenth < 14 ? 2 : 3;
}
