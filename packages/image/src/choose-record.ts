import { verifyImageRecord } from '@quarry/content';
import type { ImageHash, ImageRecord, ImageRef, ManifestId, OriginImage } from '@quarry/content';

/** Whose word is taken for what an image is made of. */
export interface Trust {
  /** Raw Ed25519 public keys, 32 bytes each. */
  readonly publishers: readonly Uint8Array[];
}

/** What is known about the image apart from the records. */
export interface Expectation {
  readonly ref: ImageRef;
  /** What the origin says now. */
  readonly described: OriginImage | undefined;
  /** What the caller says. */
  readonly expectedHash: ImageHash | undefined;
  /** Manifests that turned out wrong. */
  readonly exceptManifests: ReadonlySet<ManifestId>;
}

/** A record that may be used. */
export interface Candidate {
  readonly record: ImageRecord;
  /** What the rebuilt image must hash to; undefined where the publisher's word is enough. */
  readonly mustMatch: ImageHash | undefined;
}

export type Refusal =
  /** The record is not about this image, or was refused before. */
  | 'excluded'
  | 'bad-signature'
  /** The image has another size or hash now. */
  | 'stale'
  /** The publisher is not trusted, and there is no hash to hold the image against. */
  | 'untrusted';

export interface Choice {
  /** Best first: trusted publishers before others, later records before earlier ones. */
  readonly candidates: readonly Candidate[];
  readonly refused: readonly { readonly record: ImageRecord; readonly why: Refusal }[];
}

/**
 * Sorts out whom to believe. A record counts if its publisher is trusted and it names the hash that the origin gives for the image now; where it names
 * none, or the publisher is not trusted, the rebuilt image itself is held against that hash. Pure.
 */
export function chooseRecord(records: readonly ImageRecord[], trust: Trust, expectation: Expectation): Choice {
  const trusted: Candidate[] = [];
  const others: Candidate[] = [];
  const refused: { readonly record: ImageRecord; readonly why: Refusal }[] = [];
  for (const record of [...records].sort((a, b) => b.publishedAtMs - a.publishedAtMs)) {
    const isTrusted = trust.publishers.some((publisher) => Buffer.compare(publisher, record.publisher) === 0);
    const judged = judge(record, isTrusted, expectation);
    if (typeof judged === 'string') refused.push({ record, why: judged });
    else (isTrusted ? trusted : others).push(judged);
  }
  return { candidates: [...trusted, ...others], refused };
}

function judge(record: ImageRecord, isTrusted: boolean, expectation: Expectation): Candidate | Refusal {
  const { described, expectedHash } = expectation;
  if (record.ref !== expectation.ref || expectation.exceptManifests.has(record.manifest)) return 'excluded';
  if (!isSigned(record)) return 'bad-signature';
  if (described && described.imageBytes !== record.imageBytes) return 'stale';
  if (contradict(described?.hash, record.hash) || contradict(expectedHash, record.hash)) return 'stale';
  const reference = expectedHash ?? described?.hash;
  if (!isTrusted) return reference ? { record, mustMatch: reference } : 'untrusted';
  const isBound =
    reference === undefined || (record.hash?.algorithm === reference.algorithm && expectedHash === undefined);
  return { record, mustMatch: isBound ? undefined : reference };
}

/** Hashes by different algorithms say nothing about each other. */
function contradict(a: ImageHash | undefined, b: ImageHash | undefined): boolean {
  return a !== undefined && b !== undefined && a.algorithm === b.algorithm && a.value !== b.value;
}

function isSigned(record: ImageRecord): boolean {
  try {
    verifyImageRecord(record);
    return true;
  } catch {
    return false; // the one thing it throws: CONTENT_BAD_SIGNATURE
  }
}
