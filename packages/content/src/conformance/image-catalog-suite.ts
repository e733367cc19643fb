import { afterEach, describe, expect, test } from 'vitest';
import type { ImageCatalog } from '../ports/image-catalog.ts';
import { imageRef, manifestId } from '../ids.ts';
import type { ImageHash } from '../image-hash.ts';
import type { ImageRecord } from '../image-record.ts';
import { expectCode } from './pack-store/subject.ts';
import { sampleManifest, sampleRecord } from './sample-image.ts';

export interface ImageCatalogSubject {
  readonly catalog: ImageCatalog;
  readonly close: () => Promise<void>;
  /** Closes the catalog and opens what it left behind; absent where nothing is left behind. */
  readonly reopen?: () => Promise<ImageCatalog>;
  /** Closes whatever is open and removes what is left. */
  dispose(): Promise<void>;
}

export interface ImageCatalogHarness {
  readonly create: () => Promise<ImageCatalogSubject>;
  readonly capabilities: { readonly isDurable: boolean };
}

const anyHash: ImageHash = { algorithm: 'sha512', value: 'cd'.repeat(64) };

/** The laws of the ImageCatalog port, each a test. */
export function imageCatalogSuite(name: string, harness: ImageCatalogHarness): void {
  describe(name, () => {
    const subjects: ImageCatalogSubject[] = [];
    afterEach(async () => {
      for (const subject of subjects.splice(0)) await subject.dispose();
    });
    const subject = async (): Promise<ImageCatalogSubject> => {
      const created = await harness.create();
      subjects.push(created);
      return created;
    };

    test('a manifest is found by its id, unknown ones are undefined', async () => {
      const { catalog } = await subject();
      const manifest = sampleManifest(1);
      await catalog.putManifest(manifest);
      await catalog.putManifest(manifest);
      expect(await catalog.findManifest(manifest.id)).toEqual(manifest);
      expect(await catalog.findManifest(manifestId('0'.repeat(64)))).toBeUndefined();
    });

    test('a record is found by its ref, unknown refs have none', async () => {
      const { catalog } = await subject();
      const record = sampleRecord({ ref: 'debian 12' });
      expect(await catalog.putRecord(record)).toBe(true);
      expect(await catalog.findRecords(record.ref)).toEqual([record]);
      expect(await catalog.findRecords(imageRef('debian'))).toEqual([]);
      expect(await catalog.findRecords(imageRef('debian 12 '))).toEqual([]);
    });

    test('of one publisher the latest record is kept, whatever the order in which they come', async () => {
      const { catalog } = await subject();
      const [older, latest, same] = [
        sampleRecord({ publishedAtMs: 1000, manifest: 1 }),
        sampleRecord({ publishedAtMs: 3000, manifest: 2 }),
        sampleRecord({ publishedAtMs: 3000, manifest: 3 }),
      ];
      expect(await catalog.putRecord(older)).toBe(true);
      expect(await catalog.putRecord(latest)).toBe(true);
      expect(await catalog.putRecord(older)).toBe(false);
      expect(await catalog.putRecord(same)).toBe(false);
      expect(await catalog.findRecords(latest.ref)).toEqual([latest]);
    });

    test('records of one ref that come at the same moment are sorted out as if one by one', async () => {
      const { catalog } = await subject();
      const records = Array.from({ length: 20 }, (_, i) => sampleRecord({ publishedAtMs: 1000 + ((i * 7) % 20) }));
      await Promise.all(records.map((record) => catalog.putRecord(record)));
      expect((await catalog.findRecords(imageRef('image'))).map((r) => r.publishedAtMs)).toEqual([1019]);
    });

    test('records of several publishers stand side by side, latest first', async () => {
      const { catalog } = await subject();
      const records = [3, 1, 2].map((n) => sampleRecord({ publisher: n, publishedAtMs: n * 1000 }));
      for (const record of records) await catalog.putRecord(record);
      expect((await catalog.findRecords(imageRef('image'))).map((r) => r.publishedAtMs)).toEqual([3000, 2000, 1000]);
    });

    test('records are listed in the order of their refs as UTF-8', async () => {
      const { catalog } = await subject();
      const refs = ['b', 'a', 'a b', 'ab', 'ä', '\u{1f4bf}', '\uffee'];
      for (const ref of refs) await catalog.putRecord(sampleRecord({ ref }));
      await catalog.putRecord(sampleRecord({ ref: 'ab', publisher: 2, publishedAtMs: 9000 }));
      const listed = (await collect(catalog.listRecords())).map((r) => [r.ref, r.publishedAtMs]);
      expect(listed).toEqual([
        ['a', 1000],
        ['a b', 1000],
        ['ab', 9000],
        ['ab', 1000],
        ['b', 1000],
        ['ä', 1000],
        ['\uffee', 1000],
        ['\u{1f4bf}', 1000],
      ]);
    });

    test('listing may be left in the middle', async () => {
      const { catalog } = await subject();
      for (const ref of ['a', 'b', 'c']) await catalog.putRecord(sampleRecord({ ref }));
      for await (const record of catalog.listRecords()) {
        expect(record.ref).toBe('a');
        break;
      }
    });

    test('removing a ref removes its records, and the manifests that nobody names any more', async () => {
      const { catalog } = await subject();
      const [shared, own] = [sampleManifest(1), sampleManifest(2)];
      await catalog.putManifest(shared);
      await catalog.putManifest(own);
      await catalog.putRecord(sampleRecord({ ref: 'a', manifest: 1 }));
      await catalog.putRecord(sampleRecord({ ref: 'a', publisher: 2, manifest: 2 }));
      await catalog.putRecord(sampleRecord({ ref: 'ab', manifest: 1 }));
      expect(await catalog.removeRecords(imageRef('a'))).toBe(2);
      expect(await catalog.findRecords(imageRef('a'))).toEqual([]);
      expect(await catalog.findRecords(imageRef('ab'))).toHaveLength(1);
      expect(await catalog.findManifest(shared.id)).toEqual(shared);
      expect(await catalog.findManifest(own.id)).toBeUndefined();
      expect(await catalog.removeRecords(imageRef('ab'))).toBe(1);
      expect(await catalog.findManifest(shared.id)).toBeUndefined();
      expect(await catalog.removeRecords(imageRef('a'))).toBe(0);
    });

    test('of a ref only those records may be removed that one asks for', async () => {
      const { catalog } = await subject();
      const [shared, own] = [sampleManifest(1), sampleManifest(2)];
      await catalog.putManifest(shared);
      await catalog.putManifest(own);
      const kept = sampleRecord({ manifest: 1 });
      await catalog.putRecord(kept);
      await catalog.putRecord(sampleRecord({ publisher: 2, manifest: 1 }));
      await catalog.putRecord(sampleRecord({ publisher: 3, manifest: 2 }));
      const isOthers = (record: ImageRecord): boolean => record.publisher[0] !== 1;
      expect(await catalog.removeRecords(kept.ref, { where: isOthers })).toBe(2);
      expect(await catalog.findRecords(kept.ref)).toEqual([kept]);
      expect(await catalog.findManifest(shared.id)).toEqual(shared);
      expect(await catalog.findManifest(own.id)).toBeUndefined();
      expect(await catalog.removeRecords(kept.ref, { where: isOthers })).toBe(0);
    });

    test('what an image was found to hash to is remembered as long as its manifest', async () => {
      const { catalog } = await subject();
      const manifest = sampleManifest(1);
      const hash = anyHash;
      await catalog.markVerified(manifest.id, hash);
      expect(await catalog.findVerified(manifest.id)).toBeUndefined();
      await catalog.putManifest(manifest);
      expect(await catalog.findVerified(manifest.id)).toBeUndefined();
      await catalog.markVerified(manifest.id, hash);
      expect(await catalog.findVerified(manifest.id)).toEqual(hash);
      await catalog.putRecord(sampleRecord({ manifest: 1 }));
      await catalog.removeRecords(imageRef('image'));
      await catalog.putManifest(manifest);
      expect(await catalog.findVerified(manifest.id)).toBeUndefined();
    });

    test('a manifest whose last record was replaced goes too, one that never had a record stays', async () => {
      const { catalog } = await subject();
      const [replaced, unnamed] = [sampleManifest(1), sampleManifest(3)];
      await catalog.putManifest(replaced);
      await catalog.putManifest(unnamed);
      await catalog.putRecord(sampleRecord({ manifest: 1 }));
      await catalog.putRecord(sampleRecord({ manifest: 1, publishedAtMs: 2000 }));
      expect(await catalog.findManifest(replaced.id)).toEqual(replaced);
      await catalog.putRecord(sampleRecord({ manifest: 2, publishedAtMs: 3000 }));
      expect(await catalog.findManifest(replaced.id)).toBeUndefined();
      expect(await catalog.findManifest(unnamed.id)).toEqual(unnamed);
    });

    test('a listener hears of each change of records, with what the ref has then', async () => {
      const { catalog } = await subject();
      const heard: [string, number[]][] = [];
      const stop = catalog.onChange((ref, records) => heard.push([ref, records.map((r) => r.publishedAtMs)]));
      await catalog.putRecord(sampleRecord({ ref: 'a', publishedAtMs: 1000 }));
      expect(heard).toEqual([['a', [1000]]]);
      await catalog.putRecord(sampleRecord({ ref: 'a', publisher: 2, publishedAtMs: 2000 }));
      await catalog.putRecord(sampleRecord({ ref: 'a', publishedAtMs: 500 })); // older than what is known: no change
      await catalog.putManifest(sampleManifest(1));
      await catalog.removeRecords(imageRef('b'));
      await catalog.removeRecords(imageRef('a'));
      expect(heard.slice(1)).toEqual([
        ['a', [2000, 1000]],
        ['a', []],
      ]);
      stop();
      await catalog.putRecord(sampleRecord({ ref: 'a', publishedAtMs: 3000 }));
      expect(heard).toHaveLength(3);
    });

    test('after close every call rejects with STORE_CLOSED', async () => {
      const { catalog, close } = await subject();
      const record = sampleRecord({});
      await close();
      await expectCode(catalog.putManifest(sampleManifest(1)), 'STORE_CLOSED');
      await expectCode(catalog.findManifest(record.manifest), 'STORE_CLOSED');
      await expectCode(catalog.putRecord(record), 'STORE_CLOSED');
      await expectCode(catalog.findRecords(record.ref), 'STORE_CLOSED');
      await expectCode(catalog.removeRecords(record.ref), 'STORE_CLOSED');
      await expectCode(catalog.markVerified(record.manifest, anyHash), 'STORE_CLOSED');
      await expectCode(catalog.findVerified(record.manifest), 'STORE_CLOSED');
      await expectCode(collect(catalog.listRecords()), 'STORE_CLOSED');
    });

    test('every call ends with the reason of a signal that has aborted', async () => {
      const { catalog } = await subject();
      const record = sampleRecord({});
      const reason = new Error('no longer wanted');
      const waiting = { signal: AbortSignal.abort(reason) };
      await expect(catalog.putManifest(sampleManifest(1), waiting)).rejects.toBe(reason);
      await expect(catalog.findManifest(record.manifest, waiting)).rejects.toBe(reason);
      await expect(catalog.putRecord(record, waiting)).rejects.toBe(reason);
      await expect(catalog.findRecords(record.ref, waiting)).rejects.toBe(reason);
      await expect(catalog.removeRecords(record.ref, waiting)).rejects.toBe(reason);
      await expect(catalog.markVerified(record.manifest, anyHash, waiting)).rejects.toBe(reason);
      await expect(catalog.findVerified(record.manifest, waiting)).rejects.toBe(reason);
      await expect(collect(catalog.listRecords(waiting))).rejects.toBe(reason);
    });

    // a law that says nothing of what does not last is not a test left out
    if (harness.capabilities.isDurable) {
      test('reopening keeps manifests and records', async () => {
        const { catalog, reopen } = await subject();
        const manifest = sampleManifest(1);
        const record = sampleRecord({ manifest: 1 });
        await catalog.putManifest(manifest);
        await catalog.putRecord(record);
        await catalog.markVerified(manifest.id, anyHash);
        await catalog.putRecord(sampleRecord({ ref: 'gone' }));
        await catalog.removeRecords(imageRef('gone'));
        const reopened = await reopen?.();
        if (!reopened) throw new TypeError('a durable catalog can be reopened');
        expect(await reopened.findManifest(manifest.id)).toEqual(manifest);
        expect(await reopened.findVerified(manifest.id)).toEqual(anyHash);
        expect(await collect(reopened.listRecords())).toEqual([record]);
      });
    }
  });
}

async function collect(records: AsyncIterable<ImageRecord>): Promise<ImageRecord[]> {
  const all: ImageRecord[] = [];
  for await (const record of records) all.push(record);
  return all;
}
