import { boundOf } from '@quarry/scenario';
import type { Simulate } from '../simulation.ts';
import { createWorld } from './create-world.ts';
import { runStorm } from './run-storm.ts';
import { summarize } from './summarize.ts';

export const simulate: Simulate = async (storm, options) => {
  const world = createWorld(storm, options.trace);
  const events = await runStorm(world, options);
  return summarize(world, boundOf(storm), events);
};
