import { existsSync } from 'node:fs';
import { describe } from 'vitest';

/** Debian's. */
const CHROMIUM = '/usr/bin/chromium';

/** How Chromium is started by tests: alone, without a window, and without a word to its makers. */
export const CHROMIUM_LAUNCH: {
  readonly executablePath: string;
  readonly headless: boolean;
  readonly args: string[];
} = {
  executablePath: CHROMIUM,
  headless: true,
  args: [
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
  ],
};

/** A suite that looks at pages in a real browser; where there is none it is skipped, and its title says why. */
export function describeWithChromium(title: string, suite: () => void): void {
  if (existsSync(CHROMIUM)) describe(title, suite);
  else describe.skip(`${title} (Chromium is not installed: run deploy/install-test-packages.sh)`, suite);
}
