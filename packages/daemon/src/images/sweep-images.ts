/** Finds images that are gone without anybody having said so: deleted past this façade, or not asked for in a long time. */
import { publicDomain } from '@quarry/content';
import type { ImageCatalog, ImageRecord, ImageRef, Origin } from '@quarry/content';
import { errorCode } from '@quarry/runtime';
import type { Clock, Logger } from '@quarry/runtime';

export interface SweepDeps {
  readonly catalog: ImageCatalog;
  /** Glance with a token of this node's own, where it has one: then it is asked for the images that this node has read from it. */
  readonly glance: Pick<Origin, 'describe'> | undefined;
  /** Whose records these are. Of others' images nothing follows from a 404: this token may never have been allowed to see them. */
  readonly publisher: Uint8Array;
  /** When the image was last asked for here; undefined: not since this process began. */
  readonly askedAtMs: (ref: ImageRef) => number | undefined;
  /** For all members. */
  readonly withdraw: (record: ImageRecord) => Promise<void>;
  /** For this node. */
  readonly forget: (ref: ImageRef, verdict: 'forget' | 'withdraw') => Promise<void>;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What is to be done with a record. Pure. `answer`: what Glance said, where it was asked. */
export function judgeRecord(
  record: Pick<ImageRecord, 'domain' | 'publishedAtMs'>,
  facts: {
    readonly wallMs: number;
    readonly lastUseMs: number;
    readonly privateTtlMs: number;
    readonly answer: 'same' | 'gone' | 'unknown';
  },
): 'keep' | 'forget' | 'withdraw' {
  if (facts.answer === 'gone') return 'withdraw';
  if (facts.answer === 'same' || record.domain === publicDomain) return 'keep';
  return facts.wallMs - Math.max(record.publishedAtMs, facts.lastUseMs) > facts.privateTtlMs ? 'forget' : 'keep';
}

/** One pass over all records; an image whose turn fails has it again next time. */
export async function sweepImages(
  deps: SweepDeps,
  options: { readonly privateTtlMs: number; readonly startedWallMs: number; readonly signal: AbortSignal },
): Promise<{ readonly forgotten: number; readonly withdrawn: number }> {
  const { catalog, clock, logger } = deps;
  const { signal, privateTtlMs, startedWallMs } = options;
  const sums = { forgotten: 0, withdrawn: 0 };
  const records: ImageRecord[] = [];
  for await (const record of catalog.listRecords({ signal })) records.push(record);
  for (const record of records) {
    signal.throwIfAborted();
    try {
      const verdict = judgeRecord(record, {
        wallMs: clock.wallMs(),
        lastUseMs: deps.askedAtMs(record.ref) ?? startedWallMs,
        privateTtlMs,
        answer: await answerOf(deps, record, signal),
      });
      if (verdict === 'keep') continue;
      if (verdict === 'withdraw') await deps.withdraw(record);
      await deps.forget(record.ref, verdict);
      sums[verdict === 'withdraw' ? 'withdrawn' : 'forgotten'] += 1;
    } catch (error) {
      signal.throwIfAborted();
      logger.warn('an image could not be looked after', { image: record.ref, error });
    }
  }
  return sums;
}

async function answerOf(
  { glance, publisher }: SweepDeps,
  record: ImageRecord,
  signal: AbortSignal,
): Promise<'same' | 'gone' | 'unknown'> {
  if (!glance || Buffer.compare(publisher, record.publisher) !== 0) return 'unknown';
  try {
    const { hash, imageBytes } = await glance.describe(record.ref, { signal });
    return hash && record.hash?.algorithm === hash.algorithm
      ? hash.value === record.hash.value && imageBytes === record.imageBytes
        ? 'same'
        : 'gone'
      : 'unknown';
  } catch (error) {
    signal.throwIfAborted();
    // a deactivated image is still there; an origin that does not answer says nothing
    return errorCode(error) === 'ORIGIN_NOT_FOUND' || errorCode(error) === 'ORIGIN_GONE' ? 'gone' : 'unknown';
  }
}
