import { join } from 'node:path';
import type { Storm } from '@quarry/scenario';

/** Flags of Node and settings of the allocator that hosts run with: those of deploy/systemd (a test holds them together). */
export const daemonFlags: readonly string[] = ['--max-semi-space-size=1', '--optimize-for-size'];
export const daemonEnvironment: Readonly<Record<string, string>> = {
  MALLOC_ARENA_MAX: '1',
  MALLOC_TRIM_THRESHOLD_: '131072',
};

/** Where a façade listens on its host: what Nova's `[glance] endpoint_override` names. */
export const facadeAddress = '127.0.0.1:9292';
export const facadeUrl: string = `http://${facadeAddress}`;

/** What all daemons of a run share. */
export interface ClusterPlan {
  readonly storm: Storm;
  readonly glanceUrl: string;
  readonly storeDirectory: string;
  readonly keyFile: string;
  readonly tokenFile: string;
}

/** What one daemon is told. */
export interface DaemonPlan {
  /** Its data directory; the control socket lies in it. */
  readonly directory: string;
  /** Of its place. */
  readonly address: string;
  /** Multiaddrs of members that it meets first. */
  readonly bootstrap: readonly string[];
}

/** Of a data directory: what is read for the storm's account. */
export const pieceLogName = 'pieces.jsonl';

const PORT = 4747;
/** A seeder and its bulk port: several of them share the origin's address. */
const PORTS_PER_SEEDER = 10;

/** Words of the command line of a compute host's daemon. `publishers`: peer ids of the seeders. */
export function nodeWords(
  cluster: ClusterPlan,
  { host, publishers, ...plan }: DaemonPlan & { readonly host: number; readonly publishers: readonly string[] },
): readonly string[] {
  const { storm, glanceUrl } = cluster;
  const { zone, upBytesPerSecond, downBytesPerSecond } = storm.hosts[host] ?? missing(host);
  return [
    ['node'],
    commonWords(cluster, plan, PORT),
    ['--gateway', facadeAddress, '--glance', glanceUrl],
    ['--link-rate', rateText(Math.min(upBytesPerSecond, downBytesPerSecond))],
    // where there is one zone only nobody would name it
    storm.zones.length > 1 ? ['--zone', storm.zones[zone]?.name ?? `zone ${zone}`] : [],
    publishers.flatMap((peer) => ['--trust', peer]),
  ].flat();
}

/** Words of a daemon next to Glance's store, which seeds `images` (ids) from it. */
export function seederWords(
  cluster: ClusterPlan,
  { index, images, ...plan }: DaemonPlan & { readonly index: number; readonly images: readonly string[] },
): readonly string[] {
  const { storm, glanceUrl, storeDirectory, tokenFile } = cluster;
  return [
    ['seed', ...images],
    commonWords(cluster, plan, PORT + index * PORTS_PER_SEEDER),
    // one with an origin that is told of no image would seed all
    images.length === 0 ? [] : ['--origin', 'glance-store', '--origin-path', storeDirectory, '--origin-url', glanceUrl],
    images.length === 0 ? [] : ['--origin-token-file', tokenFile],
    ['--link-rate', rateText(storm.origin.bytesPerSecond)],
    // it stands outside of every rack
    storm.zones.length > 1 ? ['--zone', 'store'] : [],
  ].flat();
}

function commonWords(
  { storm, keyFile }: ClusterPlan,
  { directory, address, bootstrap }: DaemonPlan,
  port: number,
): readonly string[] {
  const { budgetBytesPerSecond, budgetReads } = storm.origin;
  return [
    ['--json', '--data', directory, '--cluster-key-file', keyFile],
    ['--piece-log', join(directory, pieceLogName)],
    ['--listen', `/ip4/${address}/tcp/${port}`, '--bulk-listen', `/ip4/${address}/tcp/${port + 1}`],
    bootstrap.flatMap((member) => ['--bootstrap', member]),
    budgetBytesPerSecond === Infinity ? [] : ['--origin-rate', rateText(budgetBytesPerSecond)],
    budgetReads === Infinity ? [] : ['--origin-reads', String(budgetReads)],
  ].flat();
}

/** As `parseRate` reads it: whole bits. */
function rateText(bytesPerSecond: number): string {
  return bytesPerSecond === Infinity ? 'unlimited' : `${Math.round(bytesPerSecond * 8)}bit/s`;
}

function missing(host: number): never {
  throw new TypeError(`the storm has no host ${host}`);
}
