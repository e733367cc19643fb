import { execFile } from 'node:child_process';
import { constants, copyFile, mkdir, rename, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { DatabaseSync } from 'node:sqlite';
import { serviceEnvironment } from './service-environment.ts';
import type { GlanceLayout } from './glance-config.ts';

const run = promisify(execFile);
const cacheDir = resolve(import.meta.dirname, '../../../../../node_modules/.cache/quarry-glance');

/**
 * Puts an empty database with Glance's tables in place. Making one takes seconds, so the first is kept as a template for all
 * later Glances of the same version on this machine.
 */
export async function placeGlanceDatabase(dir: string, layout: GlanceLayout, signal?: AbortSignal): Promise<void> {
  if (await exists(layout.database)) return; // a Glance that is started again where one was
  const { stdout: version } = await run('/usr/bin/dpkg-query', ['-W', '-f', '${Version}', 'glance-common'], { signal });
  const template = join(cacheDir, `${version.replaceAll(/[^\w.+~-]/g, '_')}.sqlite`);
  if (!(await exists(template))) {
    await run('/usr/bin/glance-manage', [...layout.configArguments, 'db_sync'], {
      env: serviceEnvironment(dir),
      signal,
    });
    // A write-ahead log lets readers go on beside the writer; without it Glance answers "database is locked". The mode stays with the file.
    const database = new DatabaseSync(layout.database);
    database.exec('PRAGMA journal_mode=WAL');
    database.close();
    await mkdir(dirname(template), { recursive: true });
    // Renamed into place: two first starts at once both make a whole template, and the later one wins.
    const unfinished = `${template}.${process.pid}`;
    await copyFile(layout.database, unfinished);
    await rename(unfinished, template);
    return;
  }
  await copyFile(template, layout.database, constants.COPYFILE_EXCL);
}

async function exists(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    () => false,
  );
}
