import { existsSync } from 'node:fs';
import { describe } from 'vitest';
import { isGlanceInstalled } from '../glance/start-glance.ts';

const NEEDED = [
  '/usr/bin/keystone-manage',
  '/usr/bin/uwsgi',
  '/usr/lib/uwsgi/plugins/python3_plugin.so',
  '/usr/lib/python3/dist-packages/nova/image/glance.py',
];

/** A suite that drives real OpenStack services and Nova's own code; where they are missing it is skipped, and its title says why. */
export function describeWithOpenStack(title: string, suite: () => void): void {
  const isInstalled = isGlanceInstalled() && NEEDED.every((path) => existsSync(path));
  if (isInstalled) describe(title, suite);
  else describe.skip(`${title} (OpenStack is not installed: run deploy/install-test-packages.sh)`, suite);
}
