import { isCodedError } from '@quarry/runtime';
import type { Clock } from '@quarry/runtime';
import type { DaemonRole } from '../compose.ts';
import type { Config } from '../config/config.ts';
import { createControlClient } from '../control/control-client.ts';
import type { ControlClient } from '../control/control-client.ts';
import { createLog } from './log.ts';

export interface CommandContext {
  readonly clock: Clock;
  /** Aborts on Ctrl-C. */
  readonly signal: AbortSignal;
}

/**
 * Talks to the daemon that runs on this data directory; where none does, runs one in this process for as long as the work takes.
 * `isLocal` keeps such a daemon off the network: `verify` or `gc` need no peers.
 */
export async function withDaemon<T>(
  config: Config,
  context: CommandContext,
  options: { readonly isLocal: boolean; readonly role?: DaemonRole },
  work: (client: ControlClient) => Promise<T>,
): Promise<T> {
  const client = createControlClient(config.control.socket);
  if (await isRunning(client, context.signal)) return work(client);
  const network = options.isLocal ? { ...config.network, listen: [], bootstrap: [], mdns: false } : config.network;
  const quiet = { ...config, network, log: { ...config.log, level: 'error' } } as const;
  const { startDaemon } = await import('../compose.ts'); // libp2p and its kin cost half a second: only who needs them waits
  const daemon = await startDaemon(quiet, {
    role: options.role ?? 'node',
    logger: createLog(quiet.log),
    signal: context.signal,
    isOffline: options.isLocal,
  });
  try {
    return await work(client);
  } finally {
    await daemon.close();
  }
}

async function isRunning(client: ControlClient, signal: AbortSignal): Promise<boolean> {
  try {
    await client.status({ signal });
    return true;
  } catch (error) {
    if (isCodedError(error) && error.code === 'CONTROL_NO_DAEMON') return false;
    throw error;
  }
}
