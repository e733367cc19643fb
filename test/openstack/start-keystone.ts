/**
 * A real Keystone for tests: Debian's, under uwsgi on a free loopback port, with SQLite in a scratch directory. It has the
 * projects alpha and beta and one member of each, alice and bob, and the service users glance and nova.
 */
import { execFile } from 'node:child_process';
import { cp, mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { promisify } from 'node:util';
import { findFreePort } from '../glance/free-port.ts';
import { writeKeystoneConfig, type KeystoneLayout } from './keystone-config.ts';
import { createKeystoneClient, type KeystoneClient } from './keystone-client.ts';
import { populateKeystone } from './populate-keystone.ts';
import { serviceEnvironment } from '../../packages/storm/src/glance/real/service-environment.ts';
import { spawnService, type ServiceProcess } from './spawn-service.ts';

const run = promisify(execFile);
const cacheDir = resolve(import.meta.dirname, '../../node_modules/.cache/quarry-keystone');
/** Part of the name under which a whole Keystone is kept: another one is made when what populateKeystone makes changes. */
const POPULATION = 1;

export interface Keystone extends KeystoneClient, ServiceProcess {
  /** `http://127.0.0.1:<port>/v3`. */
  readonly url: string;
  readonly logFile: string;
}

export interface StartKeystoneOptions {
  /** Made if missing; removing it afterwards is the caller's. Two Keystones never share one. */
  readonly dir: string;
  readonly signal?: AbortSignal;
}

export async function startKeystone({ dir, signal }: StartKeystoneOptions): Promise<Keystone> {
  await mkdir(dir, { recursive: true });
  const { stdout: version } = await run('/usr/bin/dpkg-query', ['-W', '-f', '${Version}', 'keystone'], { signal });
  // Making one takes ten seconds, so the first is kept for all later ones of the same version on this machine.
  const template = join(cacheDir, `${version.replaceAll(/[^\w.+~-]/g, '_')}-${POPULATION}`);
  if (!(await exists(template))) await makeTemplate(dir, template, signal);
  for (const name of await readdir(template)) await cp(join(template, name), join(dir, name), { recursive: true });
  return await spawnKeystone(dir, signal);
}

async function makeTemplate(scratch: string, template: string, signal: AbortSignal | undefined): Promise<void> {
  const dir = join(scratch, 'first');
  const layout = await writeKeystoneConfig(dir, await findFreePort());
  const manage = async (...words: string[]): Promise<void> => {
    await run('/usr/bin/keystone-manage', [...layout.configArguments, ...words], {
      env: serviceEnvironment(dir),
      signal,
    });
  };
  const { uid, gid } = await stat(dir);
  const owner = ['--keystone-user', String(uid), '--keystone-group', String(gid)];
  await manage('db_sync');
  // Keystone commits on one connection while it reads on another, which SQLite without a write-ahead log answers with "database is locked".
  withDatabase(layout, 'PRAGMA journal_mode=WAL');
  await manage('fernet_setup', ...owner);
  await manage('credential_setup', ...owner);
  await manage('bootstrap', '--bootstrap-password', 'secret');
  const keystone = await spawnKeystone(dir, signal);
  try {
    await populateKeystone(keystone);
  } finally {
    await keystone.stop();
  }
  withDatabase(layout, 'PRAGMA wal_checkpoint(TRUNCATE)');
  // Renamed into place: of two first starts at once both make a whole one, and the one that comes second takes the other's.
  const unfinished = `${template}.${process.pid}`;
  await mkdir(unfinished, { recursive: true });
  for (const name of layout.state) await cp(join(dir, name), join(unfinished, name), { recursive: true });
  await rename(unfinished, template).catch(async (error: unknown) => {
    await rm(unfinished, { recursive: true });
    if (!(await exists(template))) throw error;
  });
  await rm(dir, { recursive: true });
}

async function spawnKeystone(dir: string, signal: AbortSignal | undefined): Promise<Keystone> {
  for (let attempt = 1; ; attempt += 1) {
    const port = await findFreePort();
    const layout = await writeKeystoneConfig(dir, port);
    const logFile = join(dir, 'keystone.log');
    const server = ['--plugins', 'python3', '--http-socket', `127.0.0.1:${port}`, '--buffer-size', '65535'];
    // This server closes each connection; who is not told may send the next request into it, and Glance then answers 401.
    const close = ['--add-header', 'Connection: close'];
    // One process and one thread: with more, SQLite meets "objects created in a thread can only be used in that same thread".
    const application = ['--wsgi-file', '/usr/bin/keystone-wsgi-public', '--need-app', '--enable-threads'];
    try {
      const service = await spawnService({
        command: '/usr/bin/uwsgi',
        args: [...server, ...close, ...application],
        dir,
        environment: { OS_KEYSTONE_CONFIG_DIR: layout.configDir },
        readyWords: 'spawned uWSGI worker',
        logFile,
        signal,
      });
      const url = `http://127.0.0.1:${port}/v3`;
      return { url, logFile, ...service, ...createKeystoneClient(url) };
    } catch (error) {
      const isTaken = error instanceof Error && error.message.includes('Address already in use');
      if (!isTaken || attempt === 3) throw error;
    }
  }
}

function withDatabase(layout: KeystoneLayout, statement: string): void {
  const database = new DatabaseSync(layout.database);
  database.exec(statement);
  database.close();
}

async function exists(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    () => false,
  );
}
