import { imageRef, publicDomain, signImageRecord, domain, manifestId } from '@quarry/content';
import type { Domain, ImageRecord, Signer } from '@quarry/content';
import { createMemoryImageCatalog, createMemoryOrigin } from '@quarry/content/memory';
import { createVirtualClock, silentLogger } from '@quarry/runtime';
import { describe, expect, test } from 'vitest';
import { judgeRecord, sweepImages } from '../../src/images/sweep-images.ts';
import type { SweepDeps } from '../../src/images/sweep-images.ts';
import { createSigner } from '../support/signer.ts';

const DAY = 24 * 3_600_000;

describe('what becomes of a record', () => {
  const at = (answer: 'same' | 'gone' | 'unknown', whose: Domain, daysSinceUse: number) =>
    judgeRecord(
      { domain: whose, publishedAtMs: 0 },
      { wallMs: 100 * DAY, lastUseMs: (100 - daysSinceUse) * DAY, privateTtlMs: 14 * DAY, answer },
    );
  const project = domain('project:a');
  test.for([
    ['gone', project, 0, 'withdraw'],
    ['gone', publicDomain, 0, 'withdraw'],
    ['same', project, 99, 'keep'],
    ['unknown', publicDomain, 99, 'keep'],
    ['unknown', project, 13, 'keep'],
    ['unknown', project, 15, 'forget'],
  ] as const)('Glance says %s of an image of %s, last asked for %d days ago: %s', ([answer, whose, days, verdict]) => {
    expect(at(answer, whose, days)).toBe(verdict);
  });
});

async function recordOf(
  signer: Signer,
  ref: string,
  whose: Domain,
  origin: ReturnType<typeof createMemoryOrigin>,
): Promise<ImageRecord> {
  origin.put(imageRef(ref), Buffer.from(ref));
  const { imageBytes, hash } = await origin.describe(imageRef(ref));
  return signImageRecord(
    { ref: imageRef(ref), domain: whose, imageBytes, hash, manifest: manifestId('ab'.repeat(32)), publishedAtMs: 0 },
    signer,
  );
}

test('what Glance has deleted is withdrawn, what nobody asked for is forgotten, and of others’ images a 404 says nothing', async () => {
  const clock = createVirtualClock();
  const [own, other] = [createSigner(), createSigner()];
  const origin = createMemoryOrigin();
  const catalog = createMemoryImageCatalog();
  const project = domain('project:a');
  for (const [signer, ref, whose] of [
    [own, 'kept', project],
    [own, 'deleted', project],
    [own, 'replaced', publicDomain],
    [other, 'theirs', publicDomain],
  ] as const)
    await catalog.putRecord(await recordOf(signer, ref, whose, origin));
  origin.remove(imageRef('deleted'));
  origin.remove(imageRef('theirs'));
  origin.put(imageRef('replaced'), Buffer.from('another content'));
  const withdrawn: string[] = [];
  const forgotten: string[] = [];
  const deps: SweepDeps = {
    catalog,
    glance: origin,
    publisher: own.publicKey,
    askedAtMs: () => undefined,
    withdraw: async ({ ref }) => void withdrawn.push(ref),
    forget: async (ref) => void forgotten.push(ref),
    clock,
    logger: silentLogger,
  };
  const options = { privateTtlMs: DAY, startedWallMs: clock.wallMs(), signal: new AbortController().signal };
  expect(await sweepImages(deps, options)).toEqual({ forgotten: 0, withdrawn: 2 });
  expect(withdrawn).toEqual(['deleted', 'replaced']);
  expect(forgotten).toEqual(['deleted', 'replaced']);
});

test('a Glance that does not answer is no reason to forget anything', async () => {
  const clock = createVirtualClock();
  const own = createSigner();
  const origin = createMemoryOrigin();
  const catalog = createMemoryImageCatalog();
  await catalog.putRecord(await recordOf(own, 'kept', domain('project:a'), origin));
  await origin.close();
  const never = async (): Promise<void> => expect.fail('nothing is to go');
  const deps: SweepDeps = {
    catalog,
    glance: origin,
    publisher: own.publicKey,
    askedAtMs: () => clock.wallMs(),
    withdraw: never,
    forget: never,
    clock,
    logger: silentLogger,
  };
  const options = { privateTtlMs: DAY, startedWallMs: 0, signal: new AbortController().signal };
  expect(await sweepImages(deps, options)).toEqual({ forgotten: 0, withdrawn: 0 });
});
