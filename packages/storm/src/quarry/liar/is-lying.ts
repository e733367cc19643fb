import process from 'node:process';

/** Which lie this build tells, of those that a storm knows; by the environment, so that one build does for all. */
const lie = process.env.QUARRY_LIE;
let hasBegun = false;

// The storm says when: at first a liar is a node like others.
process.on('SIGUSR2', () => (hasBegun = true));

export function isLying(how: 'badChunks' | 'falseHaves'): boolean {
  return hasBegun && lie === how;
}
