import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Stage } from '../../contestant.ts';
import { runToEnd } from '../../process/run-to-end.ts';
import { startProcess } from '../../process/start-process.ts';
import { StormError } from '../../storm-error.ts';
import type { GlanceImages, GlanceService } from '../glance-service.ts';
import { curlArguments } from '../nova-requests.ts';
import { writeGlanceConfig } from './glance-config.ts';
import { placeGlanceDatabase } from './glance-database.ts';
import { serviceEnvironment } from './service-environment.ts';

const PORT = 9292;
const COMMAND = '/usr/bin/glance-api';
const READY_WITHIN_MS = 120_000;
const READY_WORDS = 'wsgi starting up on';
/** eventlet writes one such line when it has answered; the number is of the answer with its head. */
const DATA_LINE = /eventlet\.wsgi\.server .*"GET \/v2\/images\/[^/]+\/file\S* HTTP\/1\.\d" 20[06] (\d+) /;

/**
 * Debian's Glance with a file store, without Keystone: it takes any token, and what is asked with it is asked as an administrator. Images are uploaded to it,
 * those that are not public as one project's.
 * @throws StormError STORM_IMPOSSIBLE_HERE where it is not installed, STORM_PART_FAILED
 */
export async function startRealGlance(stage: Omit<Stage, 'glance'>, images: GlanceImages): Promise<GlanceService> {
  const { network, lifecycle, clock, signal, note } = stage;
  const { origin } = network;
  if (!existsSync(COMMAND))
    throw new StormError(
      'STORM_IMPOSSIBLE_HERE',
      `there is no ${COMMAND}: install Debian’s glance-api, or leave --glance out`,
    );
  const dir = join(stage.directory, 'glance');
  const layout = await writeGlanceConfig(dir, PORT, `[DEFAULT]\nbind_host = ${origin.address}\n`);
  // Without Keystone nobody has the role that may do this
  await writeFile(join(dir, 'etc', 'policy.yaml'), 'publicize_image: "@"\nadd_image: "@"\n');
  await placeGlanceDatabase(dir, layout, signal);
  let sentBytes = 0;
  const ready = Promise.withResolvers<void>();
  const running = startProcess(
    'Glance',
    // its log goes to standard error
    ['/bin/sh', '-c', 'cd "$0" && exec "$@" 2>&1', dir, COMMAND, ...layout.configArguments],
    {
      signal,
      prefix: origin.prefix,
      env: serviceEnvironment(dir),
      onLine(line) {
        if (line.includes(READY_WORDS)) ready.resolve();
        sentBytes += Number(DATA_LINE.exec(line)?.[1] ?? 0);
      },
    },
  );
  // An orderly end takes seconds, and nobody reads what it would leave
  lifecycle.onClose('Glance', () => running.kill());
  const late = clock.after(READY_WITHIN_MS, () => void running.stop());
  const ended = running.ended.then(() => {
    throw new StormError('STORM_PART_FAILED', 'Glance has ended before it was ready');
  });
  await Promise.race([ready.promise, ended]).finally(late);
  ended.catch(() => {}); // the requests that it does not answer say so
  const where = { url: `http://${origin.address}:${PORT}`, token: randomUUID() };
  const owner = randomUUID().replaceAll('-', '');
  note(`${images.length} images are uploaded to Glance`);
  for (const { id, name, path, visibility } of images) {
    const json = { id, name, visibility, owner, disk_format: 'raw', container_format: 'bare' };
    const requests = [
      { method: 'POST', path: '/v2/images', body: { type: 'application/json', json } },
      { method: 'PUT', path: `/v2/images/${id}/file`, file: 'sent' },
    ] as const;
    await runToEnd(['curl', ...curlArguments(requests, { ...where, file: path })], { prefix: origin.prefix, signal });
  }
  return {
    ...where,
    storeDirectory: layout.imagesDir,
    async setFailing(how) {
      if (how === undefined) return;
      const message = 'a real Glance cannot be told to fail: leave --glance out for a storm in which the store does';
      throw new StormError('STORM_UNSUPPORTED', message, { details: { how } });
    },
    sentBytes: async () => sentBytes,
  };
}
