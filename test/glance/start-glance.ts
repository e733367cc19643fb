/**
 * A real Glance for tests: Debian's glance-api on a free loopback port, with SQLite and a file store in a scratch directory,
 * without Keystone (every caller is an administrator) unless it is configured. Nothing here imitates Glance.
 */
import { existsSync } from 'node:fs';
import { createGlanceClient, type GlanceClient } from './glance-client.ts';
import { writeGlanceConfig } from '../../packages/storm/src/glance/real/glance-config.ts';
import { placeGlanceDatabase } from '../../packages/storm/src/glance/real/glance-database.ts';
import { spawnService, type ServiceProcess } from '../openstack/spawn-service.ts';
import { findFreePort, listenerCount } from './free-port.ts';

export interface Glance extends GlanceClient, ServiceProcess {
  /** `http://127.0.0.1:<port>`, without a path. */
  readonly url: string;
  /** The file store: the data of image `id` is `<imagesDir>/<id>`. */
  readonly imagesDir: string;
  readonly logFile: string;
}

export interface StartGlanceOptions {
  /** Made if missing; removing it afterwards is the caller's. Two Glances never share one. */
  readonly dir: string;
  /** oslo.config text, read last. */
  readonly extraConfig?: string;
  /** A free one is taken otherwise. */
  readonly port?: number;
  readonly signal?: AbortSignal;
}

export function isGlanceInstalled(): boolean {
  return ['/usr/bin/glance-api', '/usr/bin/glance-manage', '/usr/bin/setpriv'].every((path) => existsSync(path));
}

export async function startGlance({
  dir,
  extraConfig = '',
  port: wanted,
  signal,
}: StartGlanceOptions): Promise<Glance> {
  for (let attempt = 1; ; attempt += 1) {
    const port = wanted ?? (await findFreePort());
    const layout = await writeGlanceConfig(dir, port, extraConfig);
    await placeGlanceDatabase(dir, layout, signal).catch((error: unknown) => {
      signal?.throwIfAborted(); // the reason given, not the child process' word for it
      throw error;
    });
    const glance = await spawnService({
      // The eventlet server, because Debian's Glance is broken under uwsgi.
      command: '/usr/bin/glance-api',
      args: layout.configArguments,
      dir,
      readyWords: 'wsgi starting up on',
      logFile: layout.logFile,
      signal,
    });
    if ((await listenerCount(port)) === 1) {
      const url = `http://127.0.0.1:${port}`;
      return { url, imagesDir: layout.imagesDir, logFile: layout.logFile, ...glance, ...createGlanceClient(url) };
    }
    await glance.stop();
    if (attempt === 3) throw new Error('three times another Glance took the same port at the same moment');
  }
}
