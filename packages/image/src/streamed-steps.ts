import type { Clock } from '@quarry/runtime';
import type { Arrivals } from './arrivals.ts';
import { ImageError, messageOf } from './image-error.ts';
import type { ImageStep } from './image-steps.ts';
import { imageDefaults } from './options.ts';
import type { VerifiedStep } from './verified-steps.ts';

export interface StreamedStepsDeps {
  readonly clock: Clock;
  readonly arrivals: Arrivals;
  /** The bytes of a step whose chunks are all here, hashed. */
  readonly load: (step: ImageStep) => Promise<Uint8Array>;
  /** The bytes from elsewhere, hashed. */
  readonly rescue: ((step: ImageStep) => Promise<Uint8Array>) | undefined;
  /** These are waited for. */
  readonly hurry: (steps: readonly ImageStep[]) => void;
  /** Called when it ends, for whatever reason: aborts the signal that all of the above listen to, and ends the arrivals. */
  readonly stop: () => void;
}

interface UnderWay {
  readonly step: ImageStep;
  readonly loading: Promise<Uint8Array | undefined>;
}

const LATE = Symbol('late');

/**
 * The steps of an image that is being fetched, in order, each as soon as its chunks are here; some steps are read ahead. When the step that is needed next does
 * not come, and nothing else of the image does for `stallMs`, it is taken from the origin, which has as long; then IMAGE_STALLED. From stall to stall less patience is
 * left, until a step comes by itself: who must read an image from its origin after all gets on. The first step is never taken from elsewhere: who has not seen a byte
 * yet can do without us.
 * When it ends, nothing is under way any more.
 */
export async function* streamedSteps(
  deps: StreamedStepsDeps,
  steps: AsyncIterable<ImageStep>,
  options: { readonly stallMs: number; readonly signal: AbortSignal },
): AsyncGenerator<VerifiedStep, void, undefined> {
  const { clock, arrivals, rescue } = deps;
  const { stallMs, signal } = options;
  const underWay: UnderWay[] = [];
  const abandoned: Promise<unknown>[] = [];
  let isFirst = true;
  let firstStep: ImageStep | undefined;
  let tellFirst = (): void => {};
  const firstTaken = new Promise<void>((resolve) => (tellFirst = resolve));
  let stalls = 0;

  const begin = async (step: ImageStep): Promise<Uint8Array | undefined> => {
    if (step.parts.length === 0) return undefined;
    try {
      await arrivals.until(step.parts);
      return await deps.load(step);
    } catch (error) {
      if (!rescue || step === firstStep) throw error;
      await firstTaken;
      if (signal.aborted) throw error;
      return await rescue(step).catch((cause: unknown) => {
        if (signal.aborted) throw cause;
        throw error;
      });
    }
  };
  const within = async <T>(work: Promise<T>, ms: number): Promise<T | typeof LATE> => {
    let cancel = (): void => {};
    const late = new Promise<typeof LATE>((resolve) => (cancel = clock.after(ms, () => resolve(LATE))));
    try {
      return await Promise.race([work, late]);
    } finally {
      cancel();
    }
  };
  const stalled = (step: ImageStep, cause: unknown): ImageError => {
    const why = cause === undefined ? '' : `; the origin says: ${messageOf(cause)}`;
    const message = `${step.length} bytes at ${step.offset} did not come within ${stallMs} ms${why}`;
    return new ImageError('IMAGE_STALLED', message, {
      details: { offset: step.offset, length: step.length, stallMs },
      cause,
      canRetry: true,
    });
  };
  /** What comes first: the step by itself, or from the origin. */
  const getAnyhow = async ({ step, loading }: UnderWay): Promise<Uint8Array | undefined> => {
    let cause: unknown;
    const ways: Promise<Uint8Array | undefined>[] = [loading];
    if (rescue) {
      const rescuing = rescue(step);
      rescuing.catch((error: unknown) => (cause = error));
      abandoned.push(rescuing);
      ways.push(rescuing);
    }
    const got = await within(Promise.any(ways), stallMs).catch((): typeof LATE => LATE);
    signal.throwIfAborted();
    if (got === LATE) throw stalled(step, cause);
    return got;
  };
  const takeFirst = async (): Promise<VerifiedStep> => {
    const first = underWay[0] as UnderWay;
    const { step, loading } = first;
    let count = arrivals.count;
    let cancelHurry = (): void => {};
    /** Only where nothing comes: each is a fetch of its own, which twenty hosts at 20 Mbit/s spent more CPU on than on all else. */
    const hurryWhenQuiet = (seen: number): void => {
      cancelHurry = clock.after(stallMs / HURRY_SHARE, () => {
        if (seen === arrivals.count) deps.hurry(underWay.map((each) => each.step));
        else hurryWhenQuiet(arrivals.count);
      });
    };
    hurryWhenQuiet(count);
    try {
      let bytes = await within(loading, stallMs / 2 ** Math.min(stalls, MAX_HALVINGS));
      // Pieces come in no order: over a slow link what is needed next may come last, and whoever reads it from the origin meanwhile is the stampede.
      while (bytes === LATE && count !== arrivals.count) {
        ({ count } = arrivals);
        bytes = await within(loading, stallMs);
      }
      if (bytes !== LATE) stalls = 0;
      else if (isFirst) throw stalled(step, undefined);
      else {
        stalls += 1;
        abandoned.push(loading);
        bytes = await getAnyhow(first);
      }
      isFirst = false;
      tellFirst();
      underWay.shift();
      return { offset: step.offset, length: step.length, bytes };
    } finally {
      cancelHurry();
    }
  };

  try {
    for await (const step of steps) {
      signal.throwIfAborted();
      firstStep ??= step;
      const loading = begin(step);
      loading.catch(() => {}); // seen when its turn comes, or never, if one before it fails
      underWay.push({ step, loading });
      while (underWay.length >= imageDefaults.stepsAhead) yield await takeFirst();
    }
    while (underWay.length > 0) {
      signal.throwIfAborted();
      yield await takeFirst();
    }
  } finally {
    deps.stop();
    tellFirst();
    await Promise.allSettled([...underWay.map(({ loading }) => loading), ...abandoned]);
  }
}

/** After this part of the time that may pass, the swarm is asked for what is waited for ahead of the rest. */
const HURRY_SHARE = 4;
const MAX_HALVINGS = 4;
