// A real ext4 file system in a file, written with e2fsprogs only: no root, no mount. Everything that mke2fs or debugfs would take from
// the machine (time, UUID, configuration, features) is given, so that the same calls make the same bytes.
import { execFile } from 'node:child_process';
import { open, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

const blockBytes = 4096;

export interface Ext4Image {
  /** Runs debugfs commands in order. Rejects if one of them complains. */
  edit(commands: readonly string[]): Promise<void>;
  /** The disk's blocks that hold a file (a path or `<inode>`), in the file's order. */
  blocksOf(file: string): Promise<number[]>;
  /** Changes blocks of the disk in place, behind the file system's back, as a guest does with blocks that a file of it already owns. */
  change(blocks: readonly number[], change: (bytes: Buffer) => void): Promise<void>;
  /** Rejects if e2fsck finds anything to repair. */
  check(): Promise<void>;
}

export interface Ext4Options {
  /** An empty directory for scripts. */
  readonly workDir: string;
  readonly signal: AbortSignal;
}

const features = [
  'none',
  'has_journal',
  'ext_attr',
  'dir_index',
  'filetype',
  'extent',
  '64bit',
  'flex_bg',
  'sparse_super',
  'large_file',
  'huge_file',
  'dir_nlink',
  'extra_isize',
  'metadata_csum',
];

/** Makes an empty file system. `bornAt`: seconds since 1970. */
export async function formatExt4(
  path: string,
  { diskBytes, uuid, bornAt }: { readonly diskBytes: number; readonly uuid: string; readonly bornAt: number },
  { workDir, signal }: Ext4Options,
): Promise<void> {
  const config = join(workDir, 'mke2fs.conf');
  await writeFile(config, '[defaults]\n[fs_types]\n\text4 = {\n\t}\n');
  await writeFile(path, '');
  await truncate(path, diskBytes);
  const extended = `hash_seed=${uuid},lazy_itable_init=0,lazy_journal_init=0,root_owner=0:0,nodiscard`;
  const shape = ['-t', 'ext4', '-b', String(blockBytes), '-I', '256', '-i', '16384', '-m', '1', '-J', 'size=4'];
  await run(
    'mke2fs',
    ['-q', '-F', ...shape, '-U', uuid, '-L', 'root', '-O', features.join(','), '-E', extended, path],
    {
      env: toolEnvironment({ MKE2FS_CONFIG: config, E2FSPROGS_FAKE_TIME: String(bornAt) }),
      signal,
    },
  );
}

/** The file system that is already in the file at `path`. */
export function openExt4(path: string, { workDir, signal }: Ext4Options): Ext4Image {
  const debugfs = async (...args: string[]): Promise<string> => {
    const { stdout, stderr } = await run('debugfs', [...args, path], {
      env: toolEnvironment({}),
      signal,
      maxBuffer: 1 << 30,
    });
    // debugfs goes on after an error and ends with 0. Its first line is its version, all others are complaints.
    const complaints = stderr.split('\n').filter((line) => line !== '' && !/^debugfs \d/.test(line));
    if (complaints.length > 0) throw new Error(`debugfs on ${path}: ${complaints.slice(0, 5).join('; ')}`);
    return stdout;
  };
  return {
    async edit(commands) {
      const script = join(workDir, 'edit.debugfs');
      await writeFile(script, `${commands.join('\n')}\n`);
      await debugfs('-w', '-f', script);
    },
    async blocksOf(file) {
      const listed = await debugfs('-R', `blocks ${file}`);
      return listed.trim().split(/\s+/).filter(Boolean).map(Number);
    },
    async change(blocks, change) {
      const file = await open(path, 'r+');
      try {
        for (const block of blocks) {
          const bytes = Buffer.alloc(blockBytes);
          await file.read(bytes, 0, blockBytes, block * blockBytes);
          change(bytes);
          await file.write(bytes, 0, blockBytes, block * blockBytes);
        }
      } finally {
        await file.close();
      }
    },
    async check() {
      await run('e2fsck', ['-f', '-n', path], { env: toolEnvironment({}), signal });
    },
  };
}

/** Debian keeps the file system tools where only root's PATH leads. */
export function toolEnvironment(more: Record<string, string>): NodeJS.ProcessEnv {
  return { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin:/sbin`, LC_ALL: 'C', TZ: 'UTC', ...more };
}
