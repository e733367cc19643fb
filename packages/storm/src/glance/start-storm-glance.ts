import { randomUUID } from 'node:crypto';
import { link, mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { errorCode } from '@quarry/runtime';
import type { Stage } from '../contestant.ts';
import { startProcess } from '../process/start-process.ts';
import { StormError } from '../storm-error.ts';
import type { StormGlance } from '../storm-glance.ts';
import type { GlanceOrder } from './glance-images.ts';
import { visibilities } from './visibility.ts';

const script = fileURLToPath(new URL('./embedded-glance-process.ts', import.meta.url));
const PORT = 9292;
const READY_WITHIN_MS = 60_000;

/**
 * Starts the embedded Glance in the origin's namespace, with all images of the storm but those that are shelved during it. It ends with the stage.
 * @throws StormError STORM_PART_FAILED with its last words
 */
export async function startStormGlance(stage: Omit<Stage, 'glance'>): Promise<StormGlance> {
  const { storm, network, images, lifecycle, clock, signal } = stage;
  const directory = join(stage.directory, 'glance');
  const storeDirectory = join(directory, 'store');
  await mkdir(storeDirectory, { recursive: true });
  const ids = new Map<number, string>();
  const visibility = visibilities(storm);
  const shelved = new Set(storm.shelves.map(({ image }) => image));
  const registered: GlanceOrder['images'][number][] = [];
  for (const [image, { name, path, sizeBytes, sha512 }] of images.files.entries()) {
    if (shelved.has(image)) continue;
    const id = randomUUID();
    ids.set(image, id);
    await linkOrPoint(path, join(storeDirectory, id));
    // nobody checks the MD5 against the bytes: it only has to change with them
    registered.push({
      id,
      name,
      sizeBytes,
      sha512,
      md5: sha512.slice(0, 32),
      visibility: visibility[image] ?? 'private',
    });
  }
  const token = randomUUID();
  const order: GlanceOrder = {
    host: network.origin.address,
    port: PORT,
    token,
    owner: randomUUID().replaceAll('-', ''),
    storeDirectory,
    readDelayMs: storm.origin.readDelayMs,
    images: registered,
  };
  const orderFile = join(directory, 'order.json');
  await writeFile(orderFile, JSON.stringify(order), { mode: 0o600 });
  let hear: ((line: string) => void) | undefined;
  const child = startProcess(
    'the embedded Glance',
    [process.execPath, '--conditions=source', '--disable-warning=ExperimentalWarning', script, orderFile],
    { signal, prefix: network.origin.prefix, onLine: (line) => hear?.(line) },
  );
  lifecycle.onClose('the embedded Glance', () => child.stop());
  const gone = child.ended.then(() => {
    throw new StormError('STORM_PART_FAILED', 'the embedded Glance has ended');
  });
  gone.catch(() => {}); // heard by whoever asks it
  /** One question at a time: answers come in order. */
  let turn: Promise<unknown> = Promise.resolve();
  const answered = (line: string | undefined): Promise<Readonly<Record<string, unknown>>> => {
    const one = turn.then(() => {
      const heard = new Promise<string>((resolve) => (hear = resolve));
      if (line !== undefined) child.write(line);
      return Promise.race([heard, gone]);
    });
    turn = one.catch(() => {});
    return one.then((text) => JSON.parse(text) as Readonly<Record<string, unknown>>);
  };
  const late = clock.after(READY_WITHIN_MS, () => void child.stop());
  await answered(undefined);
  late();
  return {
    kind: 'embedded',
    url: `http://${network.origin.address}:${PORT}`,
    token,
    storeDirectory,
    id: (image) => ids.get(image),
    setId: (image, id) => void ids.set(image, id),
    async setFailing(how) {
      await answered(JSON.stringify({ failing: how ?? null }));
    },
    async sentBytes() {
      return Number((await answered(JSON.stringify({ stats: true })))['sentBytes']);
    },
  };
}

/** A second name of the same file, where both are on one file system. */
async function linkOrPoint(from: string, to: string): Promise<void> {
  try {
    await link(from, to);
  } catch (error) {
    if (errorCode(error) !== 'EXDEV' && errorCode(error) !== 'EPERM') throw error;
    await symlink(from, to);
  }
}
