import { readSync, writeSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { PackDescriptor } from '../../pack-descriptor.ts';
import { chunkOffset, fullPieceMask, maskedBytes, pieceChunks } from '../../pack-descriptor.ts';
import { decodePiece } from '../../piece-encoding.ts';
import type { LentChunks, PackStore } from '../../ports/pack-store.ts';
import { samplePack } from '../sample-pack.ts';
import { addWhole, expectBytes, expectCode } from './subject.ts';
import type { Laws } from './subject.ts';

/** Reads what was lent, as its borrower does. */
function bytesIn(descriptor: PackDescriptor, { fd, parts }: LentChunks): Uint8Array {
  const buffers = parts.map(({ firstChunk, count, position, frameBytes }) => {
    const start = chunkOffset(descriptor, firstChunk);
    const bytes = Buffer.alloc(frameBytes || chunkOffset(descriptor, firstChunk + count) - start);
    expect(readSync(fd, bytes, 0, bytes.length, position)).toBe(bytes.length);
    if (frameBytes === 0) return bytes;
    const piece = Math.floor(firstChunk / descriptor.chunksPerPiece);
    const skipped = start - chunkOffset(descriptor, pieceChunks(descriptor, piece).first);
    const plain = decodePiece(bytes, maskedBytes(descriptor, piece, fullPieceMask(descriptor, piece)));
    return plain.subarray(skipped, skipped + chunkOffset(descriptor, firstChunk + count) - start);
  });
  return Buffer.concat(buffers);
}

/** Of stores that lend; vacuous for the others. */
export function lendingLaws({ open }: Laws): void {
  const lendingStore = async (): Promise<Required<PackStore> | undefined> => {
    const store = await open();
    return store.lendChunks ? (store as Required<PackStore>) : undefined;
  };

  test('lent chunks lie where it says, plain or in the frame of their piece', async () => {
    const store = await lendingStore();
    if (!store) return;
    const pack = samplePack({ seed: 1, isCompressible: true });
    const { descriptor } = pack;
    await store.addPack(descriptor);
    await store.writePiece(pack.piece(0));
    await store.writePiece(pack.framed(1));
    await store.writePiece(pack.piece(2));
    for (let first = 0; first < descriptor.chunkCount; first += 1) {
      for (let count = 1; first + count <= descriptor.chunkCount; count += 1) {
        const lent = store.lendChunks(descriptor.id, first, count, async (chunks) => bytesIn(descriptor, chunks));
        expectBytes((await lent) ?? new Uint8Array(), pack.run(first, count));
      }
    }
  });

  test('nothing is lent of which a chunk is absent, and nothing of an unknown pack', async () => {
    const store = await lendingStore();
    if (!store) return;
    const pack = samplePack({ seed: 1 });
    const { id } = pack.descriptor;
    const never = async (): Promise<never> => expect.fail('nothing could be lent');
    await expectCode(store.lendChunks(id, 0, 1, never), 'STORE_PACK_UNKNOWN');
    await store.addPack(pack.descriptor);
    expect(await store.lendChunks(id, 0, 1, never)).toBeUndefined();
    await store.writePiece(pack.piece(0, 0b0111));
    expect(await store.lendChunks(id, 0, 4, never)).toBeUndefined();
    expect(await store.lendChunks(id, 0, 3, async () => 'lent')).toBe('lent');
    await expect(store.lendChunks(id, 10, 2, never)).rejects.toThrow(TypeError);
  });

  test('a file that is lent stays open until it is given back, even while the pack goes and the store closes', async () => {
    const store = await lendingStore();
    if (!store) return;
    const pack = await addWhole(store, { seed: 1 });
    let closed: Promise<void> | undefined;
    const bytes = await store.lendChunks(pack.descriptor.id, 0, 11, async (lent) => {
      await store.evict(0);
      closed = store.close();
      await new Promise((resolve) => setImmediate(resolve));
      return bytesIn(pack.descriptor, lent);
    });
    await closed;
    expectBytes(bytes ?? new Uint8Array(), pack.bytes);
  });

  test('what the borrower fails with comes out as it is', async () => {
    const store = await lendingStore();
    if (!store) return;
    const pack = await addWhole(store, { seed: 1 });
    const failure = Object.assign(new Error('mine'), { code: 'ENOENT' });
    const lending = store.lendChunks(pack.descriptor.id, 0, 1, () => Promise.reject(failure));
    await expect(lending).rejects.toBe(failure);
  });

  test('bytes that the caller of a stage puts there itself lie between those appended before and after', async () => {
    const store = await lendingStore();
    if (!store) return;
    const pack = samplePack({ seed: 1 });
    const stage = await store.stagePack();
    const before = stage.append([pack.run(0, 2)]);
    const between = stage.appendBy?.(pack.run(2, 5).length, async ({ fd, position }) => {
      await new Promise((resolve) => setImmediate(resolve));
      writeSync(fd, pack.run(2, 5), 0, undefined, position);
    });
    const after = stage.append([pack.run(7, 4)]);
    await stage.finish(pack.descriptor);
    await Promise.all([before, between ?? Promise.reject(new Error('a lending store has appendBy')), after]);
    expectBytes(await store.readChunks(pack.descriptor.id, 0, 11), pack.bytes);
  });

  test.for([
    ['ENOSPC', 'STORE_DISK_FULL'],
    ['EIO', 'STORE_IO'],
  ] as const)(
    'a stage fails as after any other append when its caller could not write (%s)',
    async ([code, expected]) => {
      const store = await lendingStore();
      if (!store) return;
      const pack = samplePack({ seed: 1 });
      const stage = await store.stagePack();
      const failure = Object.assign(new Error(code), { code });
      const appending = stage.appendBy?.(pack.bytes.length, () => Promise.reject(failure)) ?? Promise.resolve();
      await expectCode(appending, expected);
      await expectCode(stage.append([pack.bytes]), expected);
      await expectCode(stage.finish(pack.descriptor), expected);
      await stage.discard();
      expect(store.usage().packs).toBe(0);
    },
  );

  test('a stage is not closed under who writes into it', async () => {
    const store = await lendingStore();
    if (!store) return;
    const stage = await store.stagePack();
    let closed: Promise<void> | undefined;
    await stage.appendBy?.(4, async ({ fd, position }) => {
      closed = Promise.all([stage.discard(), store.close()]).then(() => {});
      await new Promise((resolve) => setImmediate(resolve));
      expect(writeSync(fd, Buffer.of(1, 2, 3, 4), 0, 4, position)).toBe(4);
    });
    await closed;
  });
}
