import { spawnSync } from 'node:child_process';

/** Whether qemu's own tool is there to judge our images. */
export function hasQemuImg(): boolean {
  return spawnSync('qemu-img', ['--version']).status === 0;
}
