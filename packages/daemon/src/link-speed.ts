import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * Bytes per second of the interface of the default route, as Linux says it (`/proc/net/route`, `/sys/class/net/<interface>/speed` in Mbit/s); undefined where
 * there is no such route, or its interface does not know: virtual ones say -1 or nothing.
 * @param root where `proc` and `sys` are.
 */
export async function findLinkSpeed(root: string = '/'): Promise<number | undefined> {
  const name = await defaultInterface(root);
  if (name === undefined || !/^[\w.:@-]+$/.test(name)) return undefined;
  const mbits = Number((await textOf(join(root, 'sys/class/net', name, 'speed')))?.trim() || Number.NaN);
  return mbits > 0 ? (mbits * 1e6) / 8 : undefined;
}

/** Of several default routes the one with the lowest metric, IPv4 before IPv6. */
async function defaultInterface(root: string): Promise<string | undefined> {
  const v4 = (await rowsOf(join(root, 'proc/net/route')))
    .filter(([, destination, , , , , , mask]) => destination === '00000000' && mask === '00000000')
    .map(([name, , , , , , metric]) => ({ name, metric: Number(metric) }));
  const v6 = (await rowsOf(join(root, 'proc/net/ipv6_route')))
    .filter(
      ([destination, length, , , , , , , , name]) =>
        /^0{32}$/.test(destination ?? '') && length === '00' && name !== 'lo',
    )
    .map((row) => ({ name: row[9], metric: Number.parseInt(row[5] ?? '', 16) }));
  const [first] = (v4.length > 0 ? v4 : v6).toSorted((a, b) => a.metric - b.metric);
  return first?.name;
}

async function rowsOf(path: string): Promise<string[][]> {
  const text = (await textOf(path)) ?? '';
  return text.split('\n').map((line) => line.trim().split(/\s+/));
}

async function textOf(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch {
    return undefined; // not Linux, or an interface that has no speed: reading it fails with EINVAL
  }
}
