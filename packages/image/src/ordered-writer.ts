import { imageDefaults } from './options.ts';
import type { PartFile } from './part-file.ts';

/** Writes an image's bytes while the next ones are read and hashed. */
export interface OrderedWriter {
  /** `onWritten` says that the bytes may be changed. */
  add(bytes: Uint8Array, offset: number, onWritten: () => void): void;
  /** Resolves when little enough is waiting; rejects with what a write has failed with. */
  room(): Promise<void>;
  /** Resolves when nothing is under way any more; rejects as `room` does. */
  finish(): Promise<void>;
}

interface Step {
  readonly bytes: Uint8Array;
  readonly offset: number;
  readonly onWritten: () => void;
  /** Bytes handed to the kernel, and bytes it has taken. */
  sent: number;
  written: number;
}

export function createOrderedWriter(file: Pick<PartFile, 'write'>): OrderedWriter {
  const { writeBytes, concurrentWrites, maxUnwrittenBytes } = imageDefaults;
  const steps: Step[] = [];
  let waitingBytes = 0;
  let underWay = 0;
  let failure: { readonly error: unknown } | undefined;
  let wake: (() => void) | undefined;

  const writePart = async (step: Step, part: Uint8Array, offset: number): Promise<void> => {
    underWay += 1;
    try {
      await file.write(part, offset);
      step.written += part.length;
      waitingBytes -= part.length;
      if (step.written === step.bytes.length) step.onWritten();
    } catch (error) {
      failure ??= { error };
    }
    underWay -= 1;
    writeOn();
    wake?.();
  };
  const writeOn = (): void => {
    for (let step = steps[0]; step && underWay < concurrentWrites && !failure; step = steps[0]) {
      const part = step.bytes.subarray(step.sent, step.sent + writeBytes);
      const offset = step.offset + step.sent;
      step.sent += part.length;
      if (step.sent === step.bytes.length) steps.shift();
      void writePart(step, part, offset);
    }
  };
  const until = async (isSo: () => boolean): Promise<void> => {
    while (!isSo()) await new Promise<void>((resolve) => (wake = resolve));
    if (failure) throw failure.error;
  };
  return {
    add(bytes, offset, onWritten) {
      steps.push({ bytes, offset, onWritten, sent: 0, written: 0 });
      waitingBytes += bytes.length;
      writeOn();
    },
    room: () => until(() => failure !== undefined || waitingBytes <= maxUnwrittenBytes),
    finish: () => until(() => underWay === 0 && (failure !== undefined || steps.length === 0)),
  };
}
