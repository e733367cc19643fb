export interface LinkJob {
  readonly atMs: number;
  readonly bytes: number;
}

/** When the first `bytes` of job `job` are through; Infinity for more bytes than it has. */
export type LinkTimes = (job: number, bytes: number) => number;

interface Progress {
  readonly ms: number;
  readonly bytes: number;
}

/** A link that at any moment divides its rate evenly among the jobs that are there and not done. `jobs` by `atMs`. */
export function sharedLink(jobs: readonly LinkJob[], bytesPerSecond: number): LinkTimes {
  if (bytesPerSecond === Infinity) return (job) => jobs[job]?.atMs ?? Infinity;
  const bytesPerMs = bytesPerSecond / 1000;
  const curves: Progress[][] = jobs.map(({ atMs }) => [{ ms: atMs, bytes: 0 }]);
  const done = (job: number): number => curves[job]?.at(-1)?.bytes ?? 0;
  let active: number[] = [];
  let nowMs = 0;
  let arrived = 0;
  while (bytesPerMs > 0 && (active.length > 0 || arrived < jobs.length)) {
    const nextMs = jobs[arrived]?.atMs ?? Infinity;
    const least = Math.min(...active.map((job) => (jobs[job]?.bytes ?? 0) - done(job)));
    const lastMs = active.length === 0 ? Infinity : nowMs + (least * active.length) / bytesPerMs;
    const endMs = Math.min(nextMs, lastMs);
    for (const job of active) {
      const { bytes } = jobs[job] as LinkJob;
      const share = ((endMs - nowMs) * bytesPerMs) / active.length;
      // The one that ends is done exactly: a rest of a rounding error would take a round of its own.
      const isLast = endMs === lastMs && bytes - done(job) <= least;
      curves[job]?.push({ ms: endMs, bytes: isLast ? bytes : Math.min(bytes, done(job) + share) });
    }
    nowMs = endMs;
    for (; jobs[arrived]?.atMs === nowMs; arrived += 1) active.push(arrived);
    active = active.filter((job) => done(job) < (jobs[job]?.bytes ?? 0));
  }
  return (job, bytes) => timeOn(curves[job] ?? [], bytes);
}

/** A link that serves jobs in the order of `atMs`, each whole before the next; those of the same moment share it. */
export function firstComeLink(jobs: readonly LinkJob[], bytesPerSecond: number): LinkTimes {
  const times: { readonly of: LinkTimes; readonly index: number }[] = [];
  let freeMs = 0;
  while (times.length < jobs.length) {
    const first = times.length;
    const atMs = jobs[first]?.atMs ?? 0;
    const startMs = Math.max(freeMs, atMs);
    let end = first;
    while (jobs[end]?.atMs === atMs) end += 1;
    const batch = jobs.slice(first, end).map(({ bytes }) => ({ atMs: startMs, bytes }));
    const of = sharedLink(batch, bytesPerSecond);
    batch.forEach((_, index) => times.push({ of, index }));
    freeMs = Math.max(startMs, ...batch.map(({ bytes }, index) => of(index, bytes)));
  }
  return (job, bytes) => times[job]?.of(times[job].index, bytes) ?? Infinity;
}

function timeOn(curve: readonly Progress[], bytes: number): number {
  const above = curve.findIndex((point) => point.bytes >= bytes);
  const end = curve[above];
  const begin = curve[above - 1];
  if (!end) return Infinity;
  if (!begin || end.bytes === begin.bytes) return end.ms;
  return begin.ms + ((end.ms - begin.ms) * (bytes - begin.bytes)) / (end.bytes - begin.bytes);
}
