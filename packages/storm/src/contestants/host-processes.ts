import { runToEnd } from '../process/run-to-end.ts';
import type { RunningProcess } from '../process/start-process.ts';
import type { Place, Waiting } from '../storm-network.ts';

/** What runs in hosts on a contestant's behalf, so that a fault finds it: clients, which come and go, and peers, which stay. */
export interface HostProcesses {
  /** Runs a client on the host to its end; it does not outlive the signal. */
  run(host: number, command: readonly string[], options: Waiting): Promise<string>;
  add(host: number, process: RunningProcess): void;
  /** SIGKILL, and resolves when all have ended. */
  kill(host: number): Promise<void>;
  /** SIGSTOP or SIGCONT; also for what is started while it lasts. */
  setStalled(host: number, isStalled: boolean): void;
}

export function createHostProcesses(places: readonly Place[]): HostProcesses {
  const peers = places.map(() => new Set<RunningProcess>());
  const clients = places.map(() => new Set<number>());
  const deaths = places.map(() => new AbortController());
  const stalled = new Set<number>();
  return {
    async run(host, command, { signal }) {
      const place = places[host];
      if (!place) throw new RangeError(`the storm has no host ${host}`);
      let pid: number | undefined;
      const onStart = (started: number): void => {
        pid = started;
        clients[host]?.add(started);
        if (stalled.has(host)) process.kill(started, 'SIGSTOP');
      };
      const death = deaths[host]?.signal;
      const ends = AbortSignal.any([signal, ...(death ? [death] : [])]);
      try {
        return (await runToEnd(command, { signal: ends, prefix: place.prefix, onStart })).stdout;
      } finally {
        if (pid !== undefined) clients[host]?.delete(pid);
      }
    },
    add(host, peer) {
      peers[host]?.add(peer);
      if (stalled.has(host)) peer.signal('SIGSTOP');
      void peer.ended.catch(() => {}).then(() => peers[host]?.delete(peer));
    },
    async kill(host) {
      deaths[host]?.abort(new Error('its host died'));
      deaths[host] = new AbortController();
      await Promise.all([...(peers[host] ?? [])].map((peer) => peer.kill()));
    },
    setStalled(host, isStalled) {
      const signal = isStalled ? 'SIGSTOP' : 'SIGCONT';
      if (isStalled) stalled.add(host);
      else stalled.delete(host);
      for (const peer of peers[host] ?? []) peer.signal(signal);
      // it is ours, and has not been waited for yet: the number is not another's
      for (const pid of clients[host] ?? []) process.kill(pid, signal);
    },
  };
}
