import type { Lifecycle } from '@quarry/runtime';
import { findCommand, runToEnd } from '@quarry/storm';
import type { Link } from './link.ts';

export const LINK_BITS_PER_SECOND = 1e9;

/** Why there can be no such link here; undefined where there can. */
export function whyNoShapedLink(): string | undefined {
  if (process.platform !== 'linux') return 'network namespaces are Linux’s';
  if (process.getuid?.() !== 0) return 'network namespaces need root';
  const missing = ['ip', 'tc'].filter((name) => findCommand(name) === undefined);
  return missing.length > 0 ? `${missing.join(' and ')} is not installed (Debian: iproute2)` : undefined;
}

/**
 * Two network namespaces with a cable of 1 Gbit/s between them, each way. Their names carry this process’ id; closing the lifecycle removes them, and with
 * them whatever still listens there. @throws where the kernel or a container forbids it
 */
export async function createShapedLink(lifecycle: Lifecycle, signal: AbortSignal): Promise<Link> {
  const [sender, receiver] = [`qb${process.pid}s`, `qb${process.pid}r`] as const;
  const ip = async (...args: readonly string[]): Promise<void> => void (await runToEnd(['ip', ...args], { signal }));
  for (const name of [sender, receiver]) {
    await ip('netns', 'add', name);
    // After an abort too: by a signal of its own.
    const remove = (): Promise<unknown> =>
      runToEnd(['ip', 'netns', 'delete', name], { signal: new AbortController().signal });
    lifecycle.onClose(`the network namespace ${name}`, async () => void (await remove()));
  }
  const hosts = { [sender]: '10.213.77.1', [receiver]: '10.213.77.2' };
  // The ends of the cable bear the names of their namespaces, in which alone they are.
  await ip('link', 'add', sender, 'netns', sender, 'type', 'veth', 'peer', 'name', receiver, 'netns', receiver);
  for (const [name, host] of Object.entries(hosts)) {
    await ip('-n', name, 'address', 'add', `${host}/24`, 'dev', name);
    await ip('-n', name, 'link', 'set', 'lo', 'up');
    await ip('-n', name, 'link', 'set', name, 'up');
    // A bucket of two of the largest segments that TCP hands down, and a queue of 20 ms: a switch’s port.
    const bucket = ['rate', `${LINK_BITS_PER_SECOND}bit`, 'burst', '128kb', 'latency', '20ms'];
    await runToEnd(['tc', '-n', name, 'qdisc', 'add', 'dev', name, 'root', 'tbf', ...bucket], { signal });
  }
  return {
    host: hosts[sender] ?? '',
    senderPrefix: ['ip', 'netns', 'exec', sender],
    receiverPrefix: ['ip', 'netns', 'exec', receiver],
    async sentBytes() {
      const { stdout } = await runToEnd(['ip', '-n', sender, '-s', '-j', 'link', 'show', 'dev', sender], { signal });
      const [found] = JSON.parse(stdout) as { stats64?: { tx: { bytes: number } } }[];
      return found?.stats64?.tx.bytes;
    },
  };
}
