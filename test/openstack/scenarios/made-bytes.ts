import { createHash } from 'node:crypto';

/** The same bytes for the same name, without anything that compresses or repeats. */
export function makeBytes(name: string, length: number): Buffer {
  const blocks: Buffer[] = [];
  for (let i = 0; i * 64 < length; i += 1) blocks.push(createHash('sha512').update(`${name} ${i}`).digest());
  return Buffer.concat(blocks).subarray(0, length);
}
