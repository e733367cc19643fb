import { SwarmError } from '../swarm-error.ts';
import { otherClusterMessage } from './cluster-noise.ts';

/** What libp2p throws when a dial fails, as ours. `target` is what was dialled, for the message. */
export function dialError(error: unknown, target: string): SwarmError {
  if (error instanceof SwarmError) return error;
  const tried = error instanceof AggregateError ? error.errors : [error];
  const has = (isIt: (one: Error) => boolean): boolean => tried.some((one) => one instanceof Error && isIt(one));
  const details = { target };
  if (has(({ message }) => message === otherClusterMessage)) {
    return new SwarmError(
      'SWARM_OTHER_CLUSTER',
      `${target} answers, but does not hold this node's cluster key: compare the key's fingerprint on both, and check the address`,
      { details, cause: error },
    );
  }
  if (
    has(
      ({ name, message }) =>
        name === 'UnexpectedPeerError' || message.includes('does not match expected remote identity'),
    )
  ) {
    return new SwarmError(
      'SWARM_BAD_ADDRESS',
      `somebody else answers at ${target}: correct the /p2p/ part, or leave it out`,
      {
        details,
        cause: error,
      },
    );
  }
  return new SwarmError('SWARM_UNREACHABLE', `cannot connect to ${target}: ${messageOf(tried)}`, {
    details,
    cause: error,
    canRetry: true,
  });
}

function messageOf(errors: readonly unknown[]): string {
  return errors.map((error) => (error instanceof Error ? error.message : String(error))).join('; ');
}
