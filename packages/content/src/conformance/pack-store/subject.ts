import { afterEach, expect } from 'vitest';
import type { PackId } from '../../ids.ts';
import type { PackStore } from '../../ports/pack-store.ts';
import { samplePack } from '../sample-pack.ts';
import type { SamplePack, SamplePackOptions } from '../sample-pack.ts';

/** One store under test, empty and open. */
export interface PackStoreSubject {
  readonly store: PackStore;
  /** Closes the store and opens what it left behind; absent where nothing is left behind. */
  readonly reopen?: () => Promise<PackStore>;
  /** Changes a byte of a present chunk behind the store's back; absent where nobody can. */
  readonly damage?: (pack: PackId, chunk: number) => Promise<void>;
  /** Closes whatever is open and removes what is left. */
  dispose(): Promise<void>;
}

export interface PackStoreHarness {
  readonly create: () => Promise<PackStoreSubject>;
  readonly capabilities: {
    /** What was written is there when the store is opened again. */
    readonly isDurable: boolean;
    /** `damage` can be done to it. */
    readonly isDamageable: boolean;
  };
}

export interface Laws {
  /** A store of its own for this test, disposed of after it. */
  readonly subject: () => Promise<PackStoreSubject>;
  readonly open: () => Promise<PackStore>;
}

export function lawsOf(harness: PackStoreHarness): Laws {
  const subjects: PackStoreSubject[] = [];
  afterEach(async () => {
    for (const subject of subjects.splice(0)) await subject.dispose();
  });
  const subject = async (): Promise<PackStoreSubject> => {
    const created = await harness.create();
    subjects.push(created);
    return created;
  };
  return { subject, open: async () => (await subject()).store };
}

/** Adds a pack and writes all of it. */
export async function addWhole(store: PackStore, options: SamplePackOptions): Promise<SamplePack> {
  const pack = samplePack(options);
  await store.addPack(pack.descriptor);
  for (const piece of pack.pieces()) await store.writePiece(piece);
  return pack;
}

export async function expectCode(promise: Promise<unknown>, code: string): Promise<void> {
  await expect(promise).rejects.toMatchObject({ code });
}

export function expectBytes(actual: Uint8Array, expected: Uint8Array): void {
  expect(Buffer.compare(actual, expected), 'the bytes differ').toBe(0);
}

export function knownIds(store: PackStore): PackId[] {
  return [...store.inventory()].map(({ pack }) => pack).sort();
}
