import { spawnSync } from 'node:child_process';
import { toolEnvironment } from './ext4-image.ts';

/** What makeCorpus needs and this machine lacks; empty where all is there. */
export function missingTools(): string[] {
  const tools = { mke2fs: '-V', debugfs: '-V', e2fsck: '-V', 'qemu-img': '--version' };
  return Object.entries(tools).flatMap(([tool, flag]) =>
    spawnSync(tool, [flag], { env: toolEnvironment({}) }).error === undefined ? [] : [tool],
  );
}
