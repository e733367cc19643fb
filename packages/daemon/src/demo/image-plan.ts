import type { ContentKind } from './image-content.ts';
import { clusterBytes } from './qcow2-layout.ts';

/** What every guest cluster of an image holds, as flat arrays: 13 bytes per cluster, so 20 GiB of disk cost 4 MiB. */
export interface ImagePlan {
  readonly clusters: number;
  /** One of `planKinds`; 0 is a cluster of zeros, which an image file does not hold. */
  readonly kind: Uint8Array;
  /** Which content, by stream and index within it: two clusters with equal entries hold equal bytes. */
  readonly stream: Uint32Array;
  readonly index: Uint32Array;
  /** Not 0: the content was changed in place, by this touch. */
  readonly touch: Uint32Array;
}

/** A kind's number in a plan is its place here. `endsFile` marks a file's last cluster, whose tail is zeros, as file systems leave it. */
export const planKinds: readonly (ContentKind | 'zero')[] = ['zero', 'text', 'binary', 'packed'];
export const endsFile = 0x80;

export function createPlan(clusters: number): ImagePlan {
  return {
    clusters,
    kind: new Uint8Array(clusters),
    stream: new Uint32Array(clusters),
    index: new Uint32Array(clusters),
    touch: new Uint32Array(clusters),
  };
}

export function copyPlan(plan: ImagePlan): ImagePlan {
  return {
    clusters: plan.clusters,
    kind: plan.kind.slice(),
    stream: plan.stream.slice(),
    index: plan.index.slice(),
    touch: plan.touch.slice(),
  };
}

export function isZero(plan: ImagePlan, cluster: number): boolean {
  return plan.kind[cluster] === 0;
}

/** Whether two images hold the same bytes at this cluster. */
export function holdSame(a: ImagePlan, b: ImagePlan, cluster: number): boolean {
  return (
    a.kind[cluster] === b.kind[cluster] &&
    a.stream[cluster] === b.stream[cluster] &&
    a.index[cluster] === b.index[cluster] &&
    a.touch[cluster] === b.touch[cluster]
  );
}

/** Bytes of the clusters that are not zeros: what a qcow2 of this plan holds as data. */
export function dataBytesOf(plan: ImagePlan): number {
  let clusters = 0;
  for (const kind of plan.kind) if (kind !== 0) clusters += 1;
  return clusters * clusterBytes;
}
