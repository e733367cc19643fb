// deploy/nova-plugin, in Nova's own code: Debian's Nova, a real Glance, a real daemon.
import { execFile } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { chmod, chown, cp, mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeImages } from '../../packages/daemon/src/demo/make-images.ts';
import { isGlanceInstalled, startGlance } from '../glance/start-glance.ts';
import type { Glance } from '../glance/start-glance.ts';
import { createCluster } from './support/cluster.ts';
import type { Cluster } from './support/cluster.ts';

const run = promisify(execFile);
const python = '/usr/bin/python3';
const plugin = new URL('../../deploy/nova-plugin', import.meta.url).pathname;
const isRoot = process.getuid?.() === 0;
/** Debian's user `nobody`, as whom Nova runs here: other than the daemon, as on a compute host. */
const NOBODY = 65_534;

/** The temporary directory, unless it lies in one that is its owner's alone: then what other users reach is elsewhere. */
function reachableDirectory(): string {
  const isOpen = (path: string): boolean =>
    (statSync(path).mode & 0o001) !== 0 && (dirname(path) === path || isOpen(dirname(path)));
  return [tmpdir(), '/tmp', '/var/tmp'].find((path) => existsSync(path) && isOpen(path)) ?? tmpdir();
}

const isInstalled =
  isGlanceInstalled() &&
  existsSync('/usr/lib/python3/dist-packages/nova/image/glance.py') &&
  existsSync('/usr/lib/python3/dist-packages/setuptools');
const title = 'the plug-in for Nova';

describe.skipIf(!isInstalled)(isInstalled ? title : `${title} (run deploy/install-test-packages.sh)`, () => {
  let root: string;
  let cluster: Cluster;
  let glance: Glance;
  let exportsDirectory: string;
  const environment: Record<string, string> = {};
  const undo: (() => Promise<unknown>)[] = [];

  beforeAll(async () => {
    cluster = await createCluster();
    // Nova's user must reach it; the cluster's own directory is private
    root = await mkdtemp(join(reachableDirectory(), 'quarry-nova-'));
    await chmod(root, 0o755);
    const installed = join(root, 'plugin');
    await cp(plugin, installed, { recursive: true });
    await run(python, ['-c', 'import setuptools; setuptools.setup()', '-q', 'egg_info'], { cwd: installed });
    glance = await startGlance({
      dir: join(root, 'glance'),
      extraConfig: '[DEFAULT]\nshow_image_direct_url = true\nshow_multiple_locations = true\n',
    });
    const images = await makeImages({ dir: join(root, 'source'), seed: 5, baseBytes: 6 * 2 ** 20, snapshots: 1 });
    await chmod(join(root, 'source'), 0o755);
    const ids: string[] = [];
    for (const { name, path } of images) {
      await chmod(path, 0o644);
      ids.push(`${(await glance.createImage({ name, path, diskFormat: 'qcow2' })).id}=${path}`);
    }
    const instances = join(root, 'instances');
    await mkdir(instances);
    if (isRoot) await chown(instances, NOBODY, NOBODY);
    exportsDirectory = join(root, 'exports');
    const socket = join(root, 'export.sock');
    // no origin and no token of its own: what it may read is what the caller may
    const flags = ['--glance', glance.url, '--export-socket', socket];
    flags.push('--export-directory', exportsDirectory);
    if (isRoot) flags.push('--export-group', String(NOBODY));
    await cluster.startNode('node', flags);
    Object.assign(environment, {
      PATH: '/usr/bin:/bin',
      HOME: instances,
      LANG: 'C.UTF-8',
      PYTHONPATH: installed,
      PYTHONDONTWRITEBYTECODE: '1',
      PYTHONWARNINGS: 'ignore',
      QUARRY_NOVA_CONF: '/dev/null',
      QUARRY_NOVA_SOCKET: socket,
      QUARRY_TEST_GLANCE: glance.url,
      QUARRY_TEST_IMAGES: ids.join(','),
      QUARRY_TEST_DIR: instances,
    });
  });
  afterAll(async () => {
    for (const step of undo.reverse()) await step();
    await glance?.stop();
    await cluster?.stop();
    if (root) await rm(root, { recursive: true, force: true });
  });

  /** Resolves with what unittest prints; rejects, with that too, if a test fails. */
  const unittest = async (tests: string, more: Readonly<Record<string, string>> = {}): Promise<string> => {
    const words = [python, '-m', 'unittest', '-v', tests];
    const asNobody = isRoot ? [`--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups'] : [];
    const { stderr } = await run('/usr/bin/setpriv', ['--pdeathsig', 'KILL', ...asNobody, ...words], {
      cwd: root,
      env: { ...environment, ...more },
    });
    expect(stderr).toMatch(/^Ran [1-9]\d* tests? in /m);
    return stderr;
  };

  test('is loaded by nova-compute as by Ussuri, has images put at Nova’s path as another user, and lets Nova download when anything is wrong', async () => {
    expect(await unittest('tests.test_with_nova')).not.toContain('skipped');
    expect(await readdir(exportsDirectory)).toEqual([]);
  });

  test('is asked by the scheme of the image’s location, where it is told to', async () => {
    const one = 'tests.test_with_nova.WithNovaTest.test_nova_compute_loads_it_and_its_download_is_by_link';
    await unittest(one, { QUARRY_NOVA_SCHEMES: 'file' });
    // the control: of a scheme that no location has it is not asked
    await expect(unittest(one, { QUARRY_NOVA_SCHEMES: 'rbd' })).rejects.toThrow('no logs of level INFO or higher');
  });

  test('works on green threads, and lets others go on', async () => {
    await unittest('tests.test_green');
    expect(await readdir(exportsDirectory)).toEqual([]);
  });

  test('raises what a bad daemon does, soon, and leaves no file', async () => {
    expect(await unittest('tests.test_bad_daemon')).not.toContain('skipped');
  });

  test('clones, links or copies, as the file system can', async () => {
    const dirs = [`other=${environment.QUARRY_TEST_DIR}`];
    const isOther = existsSync('/dev/shm') && statSync('/dev/shm').dev !== statSync(root).dev;
    if (isOther) {
      const shared = await mkdtemp('/dev/shm/quarry-nova-');
      undo.push(() => rm(shared, { recursive: true, force: true }));
      if (isRoot) await chown(shared, NOBODY, NOBODY);
      dirs.push(`tmpfs=${shared}`);
    }
    /** Root may mount, in most places: elsewhere unittest skips what needs it. */
    const mounted = async (name: string, ...mount: string[]): Promise<void> => {
      const at = join(root, name);
      await mkdir(at);
      const isMounted = await run('/usr/bin/mount', [...mount, at]).then(
        () => true,
        () => false,
      );
      if (!isMounted) return;
      undo.push(() => run('/usr/bin/umount', [at]));
      await chown(at, NOBODY, NOBODY);
      dirs.push(`${name}=${at}`);
    };
    if (isRoot) {
      await mounted('full', '-t', 'tmpfs', '-o', 'size=512k', 'none');
      const disk = join(root, 'btrfs');
      const isMade = await run('/usr/bin/truncate', ['-s', '120M', disk])
        .then(() => run('/sbin/mkfs.btrfs', ['-q', disk]))
        .then(
          () => true,
          () => false,
        );
      if (isMade) await mounted('reflink', '-o', 'loop', disk);
    }
    const said = await unittest('tests.test_place', { QUARRY_TEST_DIRS: dirs.join(',') });
    if (isOther) expect(said).toMatch(/links_where_reflinks_are_refused .*ok/);
  });
});
