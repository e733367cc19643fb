import type { Draws } from '../../packages/daemon/src/demo/draws.ts';
import type { Ext4Image } from './ext4-image.ts';
import type { Guest } from './guest.ts';

/** One image of the family: what the guest did since the image that it goes on from. */
export interface Stage {
  readonly name: string;
  readonly from?: string;
  readonly isCompressedToo: boolean;
  live(guest: Guest, scale: number): Promise<void>;
  changeInPlace(disk: Ext4Image, draws: Draws, scale: number): Promise<void>;
}

const MiB = 1024 * 1024;
const day = 86_400;
/** Seconds since 1970 at which the base was installed. */
export const bornAt = 1_750_000_000;

export const stages: readonly Stage[] = [
  {
    name: 'base',
    isCompressedToo: true,
    async live(guest, scale) {
      guest.at(bornAt);
      for (const path of ['/etc/ssh', '/var/lib', '/var/log/journal', '/tmp']) guest.mkdir(path);
      for (let i = 1; i <= 8; i += 1) await guest.install(`base-${i}`, 2.9 * MiB * scale);
      await guest.write('/var/log/installer.log', 'text', 0.5 * MiB * scale);
    },
    async changeInPlace() {},
  },
  {
    name: 'light',
    from: 'base',
    isCompressedToo: false,
    async live(guest) {
      guest.at(bornAt + day);
      await guest.boot(1);
      guest.use('base-1');
    },
    changeInPlace: (disk, draws, scale) => writeJournal(disk, draws, 12 * scale),
  },
  {
    name: 'app',
    from: 'base',
    isCompressedToo: true,
    async live(guest, scale) {
      guest.at(bornAt + 2 * day);
      await guest.boot(2);
      guest.use('base-1');
      for (let i = 1; i <= 3; i += 1) await guest.install(`app-${i}`, 1.4 * MiB * scale);
      await guest.write('/var/log/access.log', 'text', 1.3 * MiB * scale);
      await guest.createDatabase('/var/lib/db/main', Math.round(64 * scale));
    },
    changeInPlace: (disk, draws, scale) => writeJournal(disk, draws, 20 * scale),
  },
  {
    name: 'app2',
    from: 'app',
    isCompressedToo: false,
    async live(guest, scale) {
      guest.at(bornAt + 5 * day);
      await guest.write('/var/log/access.log.1.gz', 'packed', 0.25 * MiB * scale);
      await guest.write('/var/log/access.log', 'text', 0.3 * MiB * scale);
      for (let i = 1; i <= 4; i += 1) await guest.write(`/srv/uploads/${i}`, 'packed', 0.05 * MiB * scale);
      await guest.install('app-1', 1.4 * MiB * scale, 2);
      guest.use('app-2');
    },
    async changeInPlace(disk, draws, scale) {
      await writeJournal(disk, draws, 10 * scale);
      const updateRow = (page: Buffer): void => void page.writeUInt32LE(draws.next32(), 3584);
      await disk.change(drawBlocks(await disk.blocksOf('/var/lib/db/main'), 6 * scale, draws), updateRow);
    },
  },
];

/** The journal is inode 8; its blocks are written round and round. Its first block describes it and stays. */
async function writeJournal(disk: Ext4Image, draws: Draws, count: number): Promise<void> {
  const blocks = (await disk.blocksOf('<8>')).slice(1);
  await disk.change(drawBlocks(blocks, count, draws), (bytes) =>
    bytes.fill(1 + draws.below(255), 512, 1024 + draws.below(3072)),
  );
}

function drawBlocks(blocks: readonly number[], count: number, draws: Draws): number[] {
  if (blocks.length === 0) throw new Error('the file has no blocks to change');
  return Array.from({ length: Math.ceil(count) }, () => blocks[draws.below(blocks.length)] ?? 0);
}
