import {
  addRun,
  createChunkSet,
  createPackDescriptor,
  digestOf,
  fullChunkSet,
  publicDomain,
  sealPiece,
} from '@quarry/content';
import type { Domain, FetchReport, PackDescriptor, PackStore, PackWant, Signer } from '@quarry/content';
import { createMemoryImageCatalog, createMemoryPackStore } from '@quarry/content/memory';
import type { MemoryImageCatalog } from '@quarry/content/memory';
import { createSeededRandom, createVirtualClock, silentLogger } from '@quarry/runtime';
import type { VirtualClock } from '@quarry/runtime';
import { createSwarm } from '../../src/create-swarm.ts';
import type { QuarrySwarm } from '../../src/create-swarm.ts';
import { createMemoryHub } from '../../src/memory/index.ts';
import type { MemoryHub, MemoryHubOptions, MemoryNetwork, MemoryNodeOptions } from '../../src/memory/index.ts';
import type { ChosenSwarmOptions } from '../../src/options.ts';
import type { PeerId } from '../../src/ports/network.ts';
import { protocols } from '../../src/protocol/protocol-names.ts';

/** Small chunks: what is tested is who gets which, not how many bytes a chunk has. A piece is then a 64th of a real one. */
export const CHUNK_BYTES = 1024;
/** At which a piece takes 8.4 ms, as one of 1 MiB does at 1 Gbit/s. */
export const LINK_BYTES_PER_SECOND = (16 * CHUNK_BYTES) / 0.0084;

/** The names by which pieces are asked for with frames welcome. */
export const isPiece = (protocol: string): boolean =>
  protocol === protocols.uncheckedPiece || protocol === protocols.piece;

export interface TestPack {
  readonly descriptor: PackDescriptor;
  readonly bytes: Uint8Array;
}

export function makePack(chunks: number, seed: number, domain: Domain = publicDomain): TestPack {
  const bytes = createSeededRandom(seed).bytes(chunks * CHUNK_BYTES);
  const digests = new Uint8Array(chunks * 32);
  for (let i = 0; i < chunks; i += 1) {
    digests.set(digestOf(bytes.subarray(i * CHUNK_BYTES, (i + 1) * CHUNK_BYTES)), i * 32);
  }
  const lengths = Array.from({ length: chunks }, () => CHUNK_BYTES);
  const salt = domain === publicDomain ? undefined : new Uint8Array(32).fill(seed);
  return { descriptor: createPackDescriptor({ domain, digests, lengths, salt }), bytes };
}

export interface TestNode {
  readonly peer: PeerId;
  readonly network: MemoryNetwork;
  readonly store: PackStore;
  readonly catalog: MemoryImageCatalog;
  readonly swarm: QuarrySwarm;
}

export interface NodeChoice {
  readonly options?: ChosenSwarmOptions;
  readonly link?: MemoryNodeOptions;
  /** Peers it dials when it starts. */
  readonly bootstrap?: readonly TestNode[];
  /** Packs whose descriptors it has from the start. */
  readonly knows?: readonly TestPack[];
  /** What it holds from the start. */
  readonly holds?: readonly TestPack[];
  /** Its identity; its name should then be that of the key. */
  readonly signer?: Signer;
  /** Default: an empty one. */
  readonly catalog?: MemoryImageCatalog;
  /** Changes its store before the swarm sees it. */
  readonly wrapStore?: (store: PackStore) => PackStore;
}

/** A cluster in one process under a virtual clock. The same seed gives the same run. */
export interface MemoryWorld {
  readonly clock: VirtualClock;
  readonly hub: MemoryHub;
  add(name: string, choice?: NodeChoice): Promise<TestNode>;
  /** Moves time on until the work settles; throws when that takes longer than `limitMs` of virtual time. */
  until<T>(work: Promise<T>, limitMs: number): Promise<T>;
  close(): Promise<void>;
}

export function createMemoryWorld(seed: number, hubOptions: Partial<MemoryHubOptions> = {}): MemoryWorld {
  const clock = createVirtualClock();
  const random = createSeededRandom(seed);
  const hub = createMemoryHub({ clock, random }, { sliceBytes: 2 * CHUNK_BYTES, ...hubOptions });
  const nodes: TestNode[] = [];
  return {
    clock,
    hub,
    async add(name, choice = {}) {
      const peer = name as PeerId;
      const link = {
        upBytesPerSecond: LINK_BYTES_PER_SECOND,
        downBytesPerSecond: LINK_BYTES_PER_SECOND,
        ...choice.link,
      };
      const network = hub.join(peer, link);
      const plain = createMemoryPackStore();
      const store = choice.wrapStore?.(plain) ?? plain;
      const catalog = choice.catalog ?? createMemoryImageCatalog();
      for (const { descriptor } of choice.knows ?? []) await plain.addPack(descriptor);
      for (const pack of choice.holds ?? []) await fill(plain, pack);
      const swarm = createSwarm(
        {
          network,
          store,
          catalog,
          signer: choice.signer,
          clock,
          random: createSeededRandom(seed * 1000 + nodes.length),
          logger: silentLogger,
        },
        choice.options,
      );
      await swarm.start();
      for (const other of choice.bootstrap ?? []) network.dial(other.peer, []).catch(() => {});
      const node = { peer, network, store, catalog, swarm };
      nodes.push(node);
      return node;
    },
    async until(work, limitMs) {
      let isOver = false;
      const over = work.finally(() => {
        isOver = true;
      });
      over.catch(() => {});
      const endMs = clock.now() + limitMs;
      while (!isOver) {
        if (clock.now() >= endMs) throw new Error(`not over after ${limitMs} ms of virtual time`);
        await clock.advance(Math.min(10, endMs - clock.now()));
      }
      return over;
    },
    async close() {
      for (const { swarm, network } of nodes) {
        await swarm.close();
        await network.close();
      }
    },
  };
}

export async function fill(store: PackStore, { descriptor, bytes }: TestPack): Promise<void> {
  await store.addPack(descriptor);
  for (let piece = 0; piece < descriptor.pieceCount; piece += 1) {
    const first = piece * descriptor.chunksPerPiece;
    const end = Math.min(descriptor.chunkCount, first + descriptor.chunksPerPiece);
    await store.writePiece(sealPiece(descriptor, piece, bytes.subarray(first * CHUNK_BYTES, end * CHUNK_BYTES)));
  }
}

export function wantAll(packs: readonly TestPack[]): PackWant[] {
  return packs.map(({ descriptor }) => ({ pack: descriptor.id, chunks: fullChunkSet(descriptor.chunkCount) }));
}

export function wantRun({ descriptor }: TestPack, first: number, count: number): PackWant {
  const chunks = createChunkSet(descriptor.chunkCount);
  addRun(chunks, first, count);
  return { pack: descriptor.id, chunks };
}

/** All of a pack, as the store has it now. Rejects if a chunk is absent. */
export async function contentOf(store: PackStore, { descriptor }: TestPack): Promise<Uint8Array> {
  return store.readChunks(descriptor.id, 0, descriptor.chunkCount);
}

export const totalBytes = (packs: readonly TestPack[]): number =>
  packs.reduce((sum, { bytes }) => sum + bytes.length, 0);

export const sumOf = (reports: readonly FetchReport[], source: 'local' | 'peer' | 'seeder' | 'origin'): number =>
  reports.reduce((sum, report) => sum + report.bytesBySource[source], 0);
