import { describe } from 'vitest';
import { isGlanceInstalled } from './start-glance.ts';

/** A suite that drives a real Glance; where none is installed it is skipped, and its title says why. */
export function describeWithGlance(title: string, suite: () => void): void {
  if (isGlanceInstalled()) describe(title, suite);
  else describe.skip(`${title} (Glance is not installed: run deploy/install-test-packages.sh)`, suite);
}
