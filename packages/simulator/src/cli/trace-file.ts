import { closeSync, openSync, writeSync } from 'node:fs';
import { errorCode } from '@quarry/runtime';
import { SimulatorError } from '../simulator-error.ts';
import { createTraceWriter } from '../trace-writer.ts';
import type { TraceWriter } from '../trace-writer.ts';

/** Written in blocks of so many characters: a trace of a thousand hosts is some hundred MiB and never is in memory as a whole. */
const BLOCK_CHARACTERS = 256 * 1024;

/**
 * A trace writer into a file, which is replaced. Synchronous: the simulation waits for nothing but its own virtual time.
 * @throws SimulatorError SIMULATOR_FILE
 */
export function openTraceFile(path: string, places: readonly string[]): TraceWriter {
  const file = attempt(path, () => openSync(path, 'w'));
  let blocks: string[] = [];
  let characters = 0;
  const flush = (): void => {
    const bytes = Buffer.from(blocks.join(''));
    blocks = [];
    characters = 0;
    for (let done = 0; done < bytes.length; ) done += attempt(path, () => writeSync(file, bytes, done));
  };
  const writer = createTraceWriter(places, (text) => {
    blocks.push(text);
    characters += text.length;
    if (characters >= BLOCK_CHARACTERS) flush();
  });
  let isOpen = true;
  return {
    ...writer,
    close(atMs) {
      if (!isOpen) return;
      isOpen = false;
      try {
        writer.close(atMs);
        flush();
      } finally {
        closeSync(file);
      }
    },
  };
}

function attempt<T>(path: string, action: () => T): T {
  try {
    return action();
  } catch (cause) {
    throw new SimulatorError('SIMULATOR_FILE', `cannot write the trace to ${path} (${errorCode(cause) ?? 'unknown'})`, {
      details: { path },
      cause,
    });
  }
}
