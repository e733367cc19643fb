// The two origins that read from Glance, against a real one. What a real one cannot be brought to do (a store without ranges, odd
// statuses) is in packages/origin/test.
import { createHash } from 'node:crypto';
import { mkdtemp, rm, truncate, unlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { imageRef, type ImageRef, type Origin, type OriginImage } from '@quarry/content';
import { originSuite, type OriginSubject } from '@quarry/content/conformance';
import { createGlanceOrigin, createGlanceStoreOrigin, originDefaults } from '@quarry/origin';
import { createVirtualClock, systemClock, type VirtualClock } from '@quarry/runtime';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { describeWithGlance } from '../glance/describe-with-glance.ts';
import { startGlance, type Glance } from '../glance/start-glance.ts';

const MIB = 2 ** 20;

let dir: string;
let glance: Glance;

function startOneGlance(): void {
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'quarry-glance-'));
    glance = await startGlance({ dir });
  });
  afterAll(async () => {
    await glance?.stop();
    await rm(dir, { recursive: true, force: true });
  });
}

async function put(bytes: Uint8Array): Promise<ImageRef> {
  return imageRef((await glance.createImage({ name: 'vm-shelved', diskFormat: 'raw', bytes })).id);
}

/** Images of a test are removed with it: the suite lists them. */
function subjectOf(origin: Origin): OriginSubject {
  const refs = new Set<ImageRef>();
  const remove = async (ref: ImageRef): Promise<void> => {
    refs.delete(ref);
    await glance.delete(ref);
  };
  return {
    origin,
    remove,
    async put(bytes) {
      const ref = await put(bytes);
      refs.add(ref);
      return ref;
    },
    async dispose() {
      await origin.close();
      for (const ref of refs) await remove(ref);
    },
  };
}

describeWithGlance('the port of an origin', () => {
  startOneGlance();
  originSuite('Glance over HTTP', {
    capabilities: { canList: true, hasRanges: true, hasHashes: true, isReplaceable: false },
    rangeRuns: 10,
    create: async () => subjectOf(createGlanceOrigin({ clock: systemClock }, { url: glance.url })),
  });

  originSuite('the file store of Glance, with its records', {
    capabilities: { canList: true, hasRanges: true, hasHashes: true, isReplaceable: false },
    rangeRuns: 10,
    async create() {
      const records = createGlanceOrigin({ clock: systemClock }, { url: glance.url });
      const origin = createGlanceStoreOrigin({ clock: systemClock, records }, { directory: glance.imagesDir });
      const subject = subjectOf(origin);
      return {
        ...subject,
        async dispose() {
          await subject.dispose();
          await records.close();
        },
      };
    },
  });
});

describeWithGlance('Glance as an origin', () => {
  startOneGlance();
  const origins: Origin[] = [];
  afterEach(async () => {
    for (const origin of origins.splice(0)) await origin.close();
  });
  const originWithClock = (): { origin: Origin; clock: VirtualClock } => {
    const clock = createVirtualClock();
    const origin = createGlanceOrigin({ clock }, { url: glance.url });
    origins.push(origin);
    return { origin, clock };
  };

  test('has the hash that Glance computed, and the name and format that it was given', async () => {
    const bytes = Buffer.from('granite');
    const { origin } = originWithClock();
    const image = await origin.describe(await put(bytes));
    const value = createHash('sha512').update(bytes).digest('hex');
    expect(image).toMatchObject({
      name: 'vm-shelved',
      format: 'raw',
      imageBytes: 7,
      hash: { algorithm: 'sha512', value },
    });
  });

  test('an image that is queued has no data', async () => {
    const { origin } = originWithClock();
    const { id } = await glance.createImage({ name: 'queued', diskFormat: 'raw' });
    await expectCode(origin.describe(imageRef(id)), 'ORIGIN_NO_DATA');
    // Glance's own answers for its data: 204, and to a range a 500 (its bug).
    const image: OriginImage = {
      ref: imageRef(id),
      name: '',
      imageBytes: 10,
      hash: undefined,
      format: undefined,
      version: '',
    };
    await expectCode(readAll(origin.open(image)), 'ORIGIN_NO_DATA');
    await expectCode(readAll(origin.open(image, { offset: 5 })), 'ORIGIN_UNAVAILABLE');
  });

  test('an image that is deactivated is forbidden', async () => {
    const { origin } = originWithClock();
    const ref = await put(Buffer.from('granite'));
    await glance.deactivate(ref);
    await expectCode(origin.describe(ref), 'ORIGIN_FORBIDDEN');
    await glance.reactivate(ref);
    await origin.describe(ref);
  });

  test('an image that is deleted is not found, also by who had described it', async () => {
    const { origin } = originWithClock();
    const ref = await put(Buffer.from('granite'));
    const image = await origin.describe(ref);
    await glance.delete(ref);
    await expectCode(origin.describe(ref), 'ORIGIN_NOT_FOUND');
    await expectCode(readAll(origin.open(image)), 'ORIGIN_NOT_FOUND');
    await expectCode(readAll(origin.open(image, { offset: 1 })), 'ORIGIN_NOT_FOUND');
  });

  test('an image whose file is lost has no data', async () => {
    const { origin } = originWithClock();
    const image = await origin.describe(await put(Buffer.from('granite')));
    await unlink(join(glance.imagesDir, image.ref));
    await expectCode(readAll(origin.open(image)), 'ORIGIN_NO_DATA');
    await expectCode(readAll(origin.open(image, { offset: 1 })), 'ORIGIN_NO_DATA');
  });

  test('an image whose file is cut off stalls: Glance keeps the connection open and says nothing', async () => {
    const { origin, clock } = originWithClock();
    const image = await origin.describe(await put(Buffer.alloc(4 * MIB, 7)));
    await truncate(join(glance.imagesDir, image.ref), 3 * MIB);
    const stream = origin.open(image)[Symbol.asyncIterator]();
    for (let received = 0; received < 3 * MIB; ) received += ((await stream.next()).value as Uint8Array).length;
    const next = stream.next();
    next.catch(() => {});
    await clock.advance(originDefaults.idleTimeoutMs);
    await expectCode(next, 'ORIGIN_STALLED');
    // Read by path it is found out at once.
    const store = createGlanceStoreOrigin({ clock, records: origin }, { directory: glance.imagesDir });
    await expectCode(store.describe(image.ref), 'ORIGIN_TRUNCATED');
  });

  test('a Glance that hangs stalls a question, and answers the next when it goes on', async () => {
    const { origin, clock } = originWithClock();
    const ref = await put(Buffer.from('granite'));
    await glance.pause();
    const describing = origin.describe(ref);
    describing.catch(() => {});
    await clock.advance(originDefaults.idleTimeoutMs);
    await expectCode(describing, 'ORIGIN_STALLED');
    glance.resume();
    expect((await origin.describe(ref)).imageBytes).toBe(7);
  });

  test('a Glance that hangs in the middle of a body stalls the read', async () => {
    const { origin, clock } = originWithClock();
    const image = await origin.describe(await put(Buffer.alloc(32 * MIB, 7)));
    let received = 0;
    const reading = (async () => {
      for await (const buffer of origin.open(image)) {
        if (received === 0) await glance.pause();
        received += buffer.length;
      }
    })();
    let isOver = false;
    reading.catch(() => (isOver = true));
    // What the kernel still had for us comes first.
    while (!isOver) await clock.advance(originDefaults.idleTimeoutMs);
    await expectCode(reading, 'ORIGIN_STALLED');
    expect(received).toBeLessThan(32 * MIB);
    glance.resume();
    expect((await readAll(origin.open(image))).length).toBe(32 * MIB);
  });

  test('a Glance that is gone can be asked again later', async () => {
    const { origin } = originWithClock();
    const ref = await put(Buffer.from('granite'));
    await origin.describe(ref);
    await glance.stop();
    await expect(origin.describe(ref)).rejects.toMatchObject({ code: 'ORIGIN_UNAVAILABLE', canRetry: true });
  });
});

async function readAll(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const buffers: Uint8Array[] = [];
  for await (const buffer of stream) buffers.push(buffer);
  return Buffer.concat(buffers);
}

async function expectCode(work: Promise<unknown>, code: string): Promise<void> {
  await expect(work).rejects.toMatchObject({ code });
}
