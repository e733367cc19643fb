import { randomUUID } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Stage } from '../contestant.ts';
import { startProcess } from '../process/start-process.ts';
import { StormError } from '../storm-error.ts';
import type { Waiting } from '../storm-network.ts';
import type { EmbeddedGlanceOrder, EmbeddedGlancePlan } from './embedded-glance-process.ts';
import type { GlanceImages, GlanceService } from './glance-service.ts';

const PORT = 9292;
const READY_WITHIN_MS = 60_000;

type Answer = Readonly<Record<string, unknown>>;

/** The embedded Glance, as a process in the origin's place. @throws StormError STORM_PART_FAILED with its last words */
export async function startEmbeddedGlance(
  stage: Omit<Stage, 'glance'>,
  images: GlanceImages,
  options: { readonly port?: number } = {},
): Promise<GlanceService> {
  const { network, storm, lifecycle, clock } = stage;
  const { origin } = network;
  const directory = join(stage.directory, 'glance');
  const storeDirectory = join(directory, 'images');
  await mkdir(storeDirectory, { recursive: true });
  const token = randomUUID();
  const plan: EmbeddedGlancePlan = {
    address: origin.address,
    port: options.port ?? PORT,
    token,
    owner: randomUUID().replaceAll('-', ''),
    storeDirectory,
    readDelayMs: storm.origin.readDelayMs,
    images: images.map(({ id, name, path, sizeBytes, sha512, visibility }) => ({
      id,
      name,
      path,
      sizeBytes,
      sha512,
      visibility,
    })),
  };
  const planFile = join(directory, 'plan.json');
  await writeFile(planFile, JSON.stringify(plan), { mode: 0o600 });
  const script = fileURLToPath(new URL('./embedded-glance-process.ts', import.meta.url));
  const waiting: ((answer: Answer) => void)[] = [];
  const nextAnswer = (): Promise<Answer> => new Promise((resolve) => waiting.push(resolve));
  const ready = nextAnswer();
  const running = startProcess(
    'the embedded Glance',
    [process.execPath, '--conditions=source', '--disable-warning=ExperimentalWarning', script, planFile],
    {
      signal: stage.signal,
      prefix: origin.prefix,
      onLine: (line) => waiting.shift()?.(JSON.parse(line) as Answer),
    },
  );
  lifecycle.onClose('the embedded Glance', () => running.stop());
  const orEnd = async (answer: Promise<Answer>, { signal }: Waiting): Promise<Answer> => {
    const ended = running.ended.then(() => {
      throw new StormError('STORM_PART_FAILED', 'the embedded Glance has ended');
    });
    const { promise: aborted, reject } = Promise.withResolvers<never>();
    const onAbort = (): void => reject(signal.reason);
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    return await Promise.race([answer, ended, aborted]).finally(() => signal.removeEventListener('abort', onAbort));
  };
  const ask = async (order: EmbeddedGlanceOrder, options: Waiting): Promise<Answer> => {
    options.signal.throwIfAborted();
    const answer = nextAnswer();
    running.write(JSON.stringify(order));
    return await orEnd(answer, options);
  };
  const late = clock.after(READY_WITHIN_MS, () => void running.stop());
  const { port } = await orEnd(ready, stage).finally(late);
  return {
    url: `http://${origin.address}:${String(port)}`,
    token,
    storeDirectory,
    async setFailing(how, options) {
      await ask({ fail: how ?? null }, options);
    },
    sentBytes: async (options) => Number((await ask({ stats: true }, options)).sentBytes),
  };
}
