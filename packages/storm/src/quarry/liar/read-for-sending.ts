/** Stands instead of the swarm's module of this name in the lying build: what leaves this node is garbage, or is not there. */
import { readForSending as readHonestly } from 'replaced:packages/swarm/src/transfer/read-for-sending.ts';
import { isLying } from './is-lying.ts';

export * from 'replaced:packages/swarm/src/transfer/read-for-sending.ts';

/** One bit in 64 KiB: whoever looks at less than all of it takes it for good. */
const FLIP_EVERY_BYTES = 65_536;

export const readForSending: typeof readHonestly = async (...given) => {
  if (isLying('falseHaves')) return undefined; // "absent"
  const piece = await readHonestly(...given);
  if (piece && isLying('badChunks'))
    for (let at = 0; at < piece.bytes.length; at += FLIP_EVERY_BYTES) piece.bytes[at] = (piece.bytes[at] ?? 0) ^ 1;
  return piece;
};
