/** Stands instead of the swarm's module of this name in the lying build: this node shows all of every pack that it knows. */
import {
  encodeHavesMessage as encodeHonestly,
  writePackHaves as writeHonestly,
} from 'replaced:packages/swarm/src/protocol/haves-message.ts';
import { isLying } from './is-lying.ts';

export * from 'replaced:packages/swarm/src/protocol/haves-message.ts';

/** 256 pieces: what a pack has not is left out by whoever hears it. */
const everything = { whole: new Uint8Array(32).fill(0xff), partial: [] };

export const encodeHavesMessage: typeof encodeHonestly = (message) =>
  encodeHonestly(
    isLying('falseHaves')
      ? { ...message, packs: message.packs.map(({ pack }) => ({ pack, set: everything })) }
      : message,
  );

export const writePackHaves: typeof writeHonestly = (writer, packs) =>
  writeHonestly(writer, isLying('falseHaves') ? packs.map(({ pack }) => ({ pack, set: everything })) : packs);
