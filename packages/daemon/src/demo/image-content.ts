import { createCipheriv } from 'node:crypto';
import { createFragments, type Fragments } from './fragments.ts';
import { createDraws, type Draws } from './draws.ts';

/** What a run of bytes is like. The compression that zstd level 1 finds on 1 MiB pieces: text about 5, binary about 2.6, packed 1. */
export type ContentKind = 'text' | 'binary' | 'packed';

/**
 * Bytes by name: the same (seed, kind, stream, index) gives the same bytes wherever they are asked for, so an image can be written in
 * one pass from a plan, and two images share what their plans share.
 */
export interface ImageContent {
  fill(target: Buffer, kind: ContentKind, stream: number, index: number): void;
  /** Touch `number`, as a boot does it: one to four small changes in place, an inode's times or a rewritten 4 KiB block. */
  touch(target: Buffer, number: number): void;
}

const zeros = Buffer.alloc(64 * 1024);

export function createImageContent(seed: number): ImageContent {
  const phrases = createFragments(createDraws(seed, 1), textFragment, 2048);
  const blocks = createFragments(createDraws(seed, 2), codeFragment, 4096);
  const key = Buffer.alloc(16);
  const keyDraws = createDraws(seed, 3);
  for (let at = 0; at < key.length; at += 4) key.writeUInt32BE(keyDraws.next32(), at);

  /** AES-CTR's key stream: the fastest incompressible bytes there are in Node, and the same on every machine, whatever its byte order. */
  const fillPacked = (target: Buffer, stream: number, index: number): void => {
    const counter = Buffer.alloc(16);
    counter.writeUInt32BE(stream >>> 0, 0);
    counter.writeUInt32BE(index >>> 0, 4);
    const cipher = createCipheriv('aes-128-ctr', key, counter);
    for (let at = 0; at < target.length; at += zeros.length) {
      cipher.update(zeros.subarray(0, Math.min(zeros.length, target.length - at))).copy(target, at);
    }
  };

  return {
    fill(target, kind, stream, index) {
      if (kind === 'packed') fillPacked(target, stream, index);
      else if (kind === 'text') fillText(target, 0, target.length, createDraws(seed, 4, stream, index), phrases);
      else fillBinary(target, createDraws(seed, 5, stream, index), phrases, blocks);
    },
    touch(target, number) {
      const draws = createDraws(seed, 6, number);
      for (let left = 1 + draws.below(4); left > 0; left -= 1) {
        const block = draws.below(Math.ceil(target.length / 4096)) * 4096;
        if (draws.below(4) === 0) fillText(target, block, Math.min(block + 4096, target.length), draws, phrases);
        else fillWords(target, block + draws.below(16) * 256 + 8, 24, draws);
      }
    },
  };
}

/** Phrases that come back, the first ones of a window often, with a number that does not between them: logs, scripts, documents. */
function fillText(
  target: Buffer,
  from: number,
  to: number,
  draws: Draws,
  phrases: Fragments,
  window: number = draws.below(phrases.count),
): void {
  let at = from;
  while (at < to) {
    const drawn = draws.next32();
    const skewed = drawn & 0xffff;
    at = phrases.copy((window + ((skewed * skewed) >>> 23)) % phrases.count, target, at, to);
    for (let digits = 3 + (drawn >>> 30); digits > 0 && at < to; digits -= 1, at += 1) {
      target[at] = 48 + ((drawn >>> (16 + digits * 2)) % 10);
    }
  }
}

/** Sections of 1 to 8 KiB as executables and libraries have them: code, strings, tables, stretches of zeros, packed data. */
function fillBinary(target: Buffer, draws: Draws, phrases: Fragments, blocks: Fragments): void {
  const codeWindow = draws.below(blocks.count);
  const stringWindow = draws.below(phrases.count);
  let at = 0;
  while (at < target.length) {
    // Code first: a target is never all zeros, however short.
    const section = at === 0 ? 0 : draws.below(16);
    const end = Math.min(target.length, at + 1024 + draws.below(7 * 1024));
    if (section < 9) fillCode(target, at, end, draws, blocks, codeWindow);
    else if (section < 11) fillText(target, at, end, draws, phrases, stringWindow);
    else if (section < 13) fillTable(target, at, end, draws);
    else if (section < 15) target.fill(0, at, end);
    else fillWords(target, at, end - at, draws);
    at = end;
  }
}

/** Basic blocks that come back, each with an address that does not. */
function fillCode(target: Buffer, from: number, to: number, draws: Draws, blocks: Fragments, window: number): void {
  let at = from;
  while (at < to) {
    const drawn = draws.next32();
    const skewed = drawn & 0xffff;
    at = blocks.copy((window + ((skewed * skewed) >>> 25)) % blocks.count, target, at, to);
    for (let shift = 16; shift <= 24 && at < to; shift += 8, at += 1) target[at] = drawn >>> shift;
  }
}

/** Little-endian records whose first word counts up: symbol tables, relocations, indexes. */
function fillTable(target: Buffer, from: number, to: number, draws: Draws): void {
  let value = draws.next32() & 0xffffff;
  for (let at = from; at + 8 <= to; at += 8) {
    const drawn = draws.next32();
    value += 24 + (drawn & 7);
    target.writeInt32LE(value, at);
    target.writeInt32LE(drawn >>> 27, at + 4);
  }
  target.fill(0, to - ((to - from) % 8), to);
}

/** Incompressible bytes, few at a time. Stays within the target. */
function fillWords(target: Buffer, from: number, count: number, draws: Draws): void {
  const to = Math.min(target.length, from + count);
  for (let at = from; at < to; at += 4) {
    const drawn = draws.next32();
    for (let byte = 0; byte < 4 && at + byte < to; byte += 1) target[at + byte] = drawn >>> (8 * byte);
  }
}

function textFragment(draws: Draws): number[] {
  const bytes: number[] = [];
  for (let words = 2 + draws.below(9); words > 0; words -= 1) {
    for (let letters = 2 + draws.below(9); letters > 0; letters -= 1)
      bytes.push(97 + Math.min(draws.below(26), draws.below(26)));
    bytes.push(words === 1 ? 10 : 32);
  }
  return bytes;
}

/** A few opcodes are most of all code, so their first byte comes from a short list. */
function codeFragment(draws: Draws): number[] {
  const bytes: number[] = [];
  for (let instructions = 8 + draws.below(24); instructions > 0; instructions -= 1) {
    bytes.push(0x40 + draws.below(24));
    for (let operands = draws.below(5); operands > 0; operands -= 1) bytes.push(draws.below(256));
  }
  return bytes;
}
