// A guest that is installed, booted and used: what it does to its disk, as debugfs commands and changes in place. What is written depends
// on the seed and on names only, so that the same package has the same files on every guest.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type ContentKind,
  createImageContent,
  type ImageContent,
} from '../../packages/daemon/src/demo/image-content.ts';
import { createDraws, type Draws } from '../../packages/daemon/src/demo/draws.ts';

export interface Guest {
  /** Sets the clock; seconds since 1970. */
  at(time: number): void;
  mkdir(path: string): void;
  /** Writes a file of generated content, in place of an earlier one of this name. */
  write(path: string, kind: ContentKind, bytes: number): Promise<void>;
  remove(path: string): void;
  /** About `bytes` of files under /usr/lib/`name`; those of a `version` above 1 differ from version 1 in every seventh file. */
  install(name: string, bytes: number, version?: number): Promise<void>;
  /** A table of 8 KiB pages, each partly empty. */
  createDatabase(path: string, pages: number): Promise<void>;
  /** Reading `name` moves the access times of some of its files. */
  use(name: string): void;
  boot(number: number): Promise<void>;
  /** What was done so far, in order, as debugfs commands. */
  commands(): readonly string[];
  /** A guest with this one's disk, which goes its own way from here on and has done nothing yet. */
  fork(stagingDir: string): Guest;
}

export interface GuestOptions {
  readonly seed: number;
  /** An empty directory for the files' contents, until debugfs has copied them. */
  readonly stagingDir: string;
  /** Multiplies the sizes of logs. */
  readonly scale: number;
}

interface Disk {
  readonly packages: Map<string, readonly string[]>;
  readonly directories: Set<string>;
  readonly files: Set<string>;
}

const KiB = 1024;

export function createGuest(options: GuestOptions): Guest {
  return continueGuest(options, createImageContent(options.seed), {
    packages: new Map(),
    directories: new Set(),
    files: new Set(),
  });
}

function continueGuest({ seed, stagingDir, scale }: GuestOptions, content: ImageContent, disk: Disk): Guest {
  const { packages, directories, files } = disk;
  const commands: string[] = [];
  let staged = 0;
  let now = 0;

  const put = async (path: string, bytes: Buffer): Promise<void> => {
    const source = join(stagingDir, `${staged}`);
    staged += 1;
    await writeFile(source, bytes, { mode: 0o644 });
    if (files.has(path)) commands.push(`rm ${path}`);
    files.add(path);
    commands.push(`write "${source}" ${path}`);
  };

  const guest: Guest = {
    at(time) {
      now = time;
      commands.push(`set_current_time @${time}`);
    },
    mkdir(path) {
      const parts = path.split('/').slice(1);
      for (let depth = 1; depth <= parts.length; depth += 1) {
        const directory = `/${parts.slice(0, depth).join('/')}`;
        if (!directories.has(directory)) commands.push(`mkdir ${directory}`);
        directories.add(directory);
      }
    },
    async write(path, kind, size) {
      guest.mkdir(path.slice(0, path.lastIndexOf('/')));
      const bytes = Buffer.alloc(Math.max(1, Math.round(size)));
      content.fill(bytes, kind, nameNumber(path), now);
      await put(path, bytes);
    },
    remove(path) {
      files.delete(path);
      commands.push(`rm ${path}`);
    },
    async install(name, bytes, version = 1) {
      const draws = createDraws(seed, 100, nameNumber(name));
      const paths: string[] = [];
      for (let written = 0, i = 0; written < bytes; i += 1) {
        const size = Math.min(drawFileBytes(draws), bytes - written);
        const kind = drawKind(draws);
        const path = `/usr/lib/${name}/${Math.floor(i / 50)}/${i}`;
        paths.push(path);
        written += size;
        if (version > 1 && i % 7 !== 3) continue;
        const file = Buffer.alloc(size);
        content.fill(file, kind, nameNumber(name), version * 1_000_000 + i);
        guest.mkdir(path.slice(0, path.lastIndexOf('/')));
        await put(path, file);
      }
      packages.set(name, paths);
    },
    async createDatabase(path, pages) {
      guest.mkdir(path.slice(0, path.lastIndexOf('/')));
      const draws = createDraws(seed, 101, nameNumber(path));
      const table = Buffer.alloc(pages * 8 * KiB);
      for (let page = 0; page < pages; page += 1) {
        const free = 512 + draws.below(3 * KiB);
        const rows = table.subarray(page * 8 * KiB + free, (page + 1) * 8 * KiB);
        content.fill(rows, 'binary', nameNumber(path), page);
        table.writeUInt32LE(page + 1, page * 8 * KiB);
      }
      await put(path, table);
    },
    use(name) {
      for (const [i, path] of (packages.get(name) ?? []).entries()) {
        if (i % 8 === 0) commands.push(`set_inode_field ${path} atime @${now + i}`);
      }
    },
    async boot(number) {
      for (const path of ['/etc/hostname', '/etc/machine-id', '/etc/fstab']) await guest.write(path, 'text', 64);
      for (const type of ['rsa', 'ecdsa', 'ed25519']) await guest.write(`/etc/ssh/ssh_host_${type}_key`, 'text', 700);
      await guest.write('/var/lib/random-seed', 'packed', 512);
      await guest.write(`/var/log/journal/boot-${number}`, 'binary', 140 * KiB * scale);
      await guest.write('/var/log/syslog', 'text', 70 * KiB * scale);
      await guest.write('/var/log/auth.log', 'text', 20 * KiB * scale);
      commands.push(`set_super_value mtime @${now}`, `set_super_value mnt_count ${number}`);
    },
    commands: () => commands,
    fork(nextStagingDir) {
      const copy = { packages: new Map(packages), directories: new Set(directories), files: new Set(files) };
      return continueGuest({ seed, stagingDir: nextStagingDir, scale }, content, copy);
    },
  };
  return guest;
}

/** Most files are small, most bytes are in large ones: 512 bytes to 32 KiB, one in fifteen up to 2 MiB. */
function drawFileBytes(draws: Draws): number {
  const scale = draws.below(15) === 0 ? (32 * KiB) << draws.below(6) : 512 << draws.below(6);
  return scale + draws.below(scale);
}

function drawKind(draws: Draws): ContentKind {
  const tenth = draws.below(10);
  if (tenth < 3) return 'text';
  return tenth < 9 ? 'binary' : 'packed';
}

/** FNV-1a: a name as a stream of content. */
function nameNumber(name: string): number {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(name)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash;
}
