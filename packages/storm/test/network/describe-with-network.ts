import { describe } from 'vitest';
import { whyNoStormNetwork } from '../../src/network/why-no-storm-network.ts';

/** A suite on real namespaces; where there can be none it is skipped, and its title says why. */
export function describeWithNetwork(title: string, suite: () => void): void {
  const why = whyNoStormNetwork();
  if (why === undefined) describe(title, suite);
  else describe.skip(`${title} (${why})`, suite);
}
