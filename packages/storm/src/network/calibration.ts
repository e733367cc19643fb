import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { Clock } from '@quarry/runtime';
import { StormError } from '../storm-error.ts';
import type { Calibration, Place, Waiting } from '../storm-network.ts';
import { FRAME_BYTES, FRAME_PAYLOAD_BYTES } from './link-shape.ts';

/** One link in one direction: the sender's side and the receiver's are faster while it is measured. */
export interface MeasuredLink {
  readonly link: string;
  readonly setBytesPerSecond: number;
  readonly from: Place;
  readonly to: Place;
}

const PORT = 4711;
const STREAMS = 8;
const WARM_UP_MS = 500;
const MEASURE_MS = 1500;

/** Beyond this the link carries nothing. */
const MOST_MS = 20_000;

/** Sends over the link for some 3 s and says what came out at the other end. @throws StormError STORM_PART_FAILED */
export async function measureLink(
  { clock }: { readonly clock: Clock },
  { link, setBytesPerSecond, from, to }: MeasuredLink,
  { signal }: Waiting,
): Promise<Calibration> {
  const tooLate = new AbortController();
  const cancel = clock.after(MOST_MS, () => {
    tooLate.abort(new StormError('STORM_PART_FAILED', `nothing came over ${link} within ${MOST_MS / 1000} s`));
  });
  const children: Child[] = [];
  const run = (place: Place, ...args: readonly (string | number)[]): Child => {
    const child = startAt(place, args);
    children.push(child);
    return child;
  };
  try {
    const stop = AbortSignal.any([signal, tooLate.signal]);
    const receiver = run(to, 'receive', PORT, WARM_UP_MS, MEASURE_MS);
    await nextLine(receiver, link, stop);
    run(from, 'send', to.address, PORT, STREAMS);
    const payload = Number(await nextLine(receiver, link, stop));
    return { link, setBytesPerSecond, measuredBytesPerSecond: (payload * FRAME_BYTES) / FRAME_PAYLOAD_BYTES };
  } finally {
    cancel();
    for (const { process: child } of children) child.kill('SIGKILL');
    await Promise.all(children.map(({ ended }) => ended));
  }
}

interface Child {
  readonly process: ChildProcess;
  readonly output: Readable;
  readonly ended: Promise<void>;
}

function startAt(place: Place, args: readonly (string | number)[]): Child {
  const script = fileURLToPath(new URL('./calibration-process.ts', import.meta.url));
  const [command = '', ...rest] = [
    ...place.prefix,
    process.execPath,
    '--conditions=source',
    script,
    ...args.map(String),
  ];
  const child = spawn(command, rest, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise<void>((resolve) => {
    child.once('error', () => resolve());
    child.once('close', () => resolve());
  });
  return { process: child, output: child.stdout, ended };
}

/** A line comes in one piece: it is short, and the next is not before we have this one. */
async function nextLine({ output, ended }: Child, link: string, signal: AbortSignal): Promise<string> {
  const end = new AbortController();
  void ended.then(() => end.abort(new StormError('STORM_PART_FAILED', `what measures ${link} ended early`)));
  const stop = AbortSignal.any([signal, end.signal]);
  const [data] = (await once(output, 'data', { signal: stop }).catch((error: unknown) => {
    throw stop.aborted ? stop.reason : error;
  })) as [Buffer];
  return data.toString().trim();
}
