import { formatBytes, formatDuration } from '@quarry/runtime';
import { textTable } from '../cli/text-table.ts';

/** What `npm run demo -- --json FILE` writes. Bytes are plain bytes where nothing else is said; seconds are wall-clock. */
export interface DemoReport {
  readonly nodes: number;
  readonly images: number;
  /** Sum of the images' sizes: what crosses the link when every host reads its own. */
  readonly imageBytes: number;
  /** What is in the images when equal 64 KiB blocks count once (counted with SHA-256 by code of its own). */
  readonly uniqueBytes: number;
  /** Bytes that left the store's side during the storm as they crossed the link, encoded and with all overhead, counted by the relay. */
  readonly originBytes: number;
  /** originBytes / uniqueBytes: bytes on the link for each plain one. Below 1 where pieces went encoded. */
  readonly originAmplification: number;
  readonly directOriginBytes: number;
  readonly makespanSeconds: number;
  readonly directMakespanSeconds: number;
  readonly speedup: number;
  /** The least time in which the link carries uniqueBytes as they are: uniqueBytes / linkBytesPerSecond. */
  readonly boundSeconds: number;
  readonly bytesFromPeers: number;
  readonly bytesFromLocal: number;
  /** From the seeder or the origin: what crossed the store's link. */
  readonly bytesFromOrigin: number;
  /** What all of these were on the links: encoded, where pieces were. */
  readonly wireBytes: number;
  /** CPU of hosts and seeder during the storm, per GB of images delivered. */
  readonly cpuSecondsPerGb: number;
  readonly directCpuSecondsPerGb: number;
  /** Peak resident memory of the largest node. */
  readonly peakRssMiB: number;
  readonly duplicateBytes: number;
  readonly badChunks: number;
  readonly verifiedImages: number;
  readonly wrongBytes: number;
  readonly linkBytesPerSecond: number;
  readonly hosts: readonly { readonly image: string; readonly directSeconds: number; readonly quarrySeconds: number }[];
}

export function demoText(report: DemoReport): string {
  const seconds = (value: number): string => `${value.toFixed(1)} s`;
  const table = textTable(
    ['', 'makespan', 'left the store (on the link)', 'of unique (plain)', 'CPU per GB', 'verified'],
    [
      [
        'straight from the origin',
        seconds(report.directMakespanSeconds),
        formatBytes(report.directOriginBytes),
        `${(report.directOriginBytes / report.uniqueBytes).toFixed(2)} x`,
        seconds(report.directCpuSecondsPerGb),
        '',
      ],
      [
        'through Quarry',
        seconds(report.makespanSeconds),
        formatBytes(report.originBytes),
        `${report.originAmplification.toFixed(2)} x`,
        seconds(report.cpuSecondsPerGb),
        `${report.verifiedImages} of ${report.images}`,
      ],
    ],
  );
  return `
${report.images} different snapshots (${formatBytes(report.imageBytes)}, ${formatBytes(report.uniqueBytes)} unique) to ${report.nodes} hosts, all at once, over a link of ${((report.linkBytesPerSecond * 8) / 1e6).toFixed(0)} Mbit/s

${table}

${report.speedup.toFixed(1)} times as fast; the link alone needs ${formatDuration(report.boundSeconds * 1000)} for what is unique, plain
the hosts' plain bytes: ${formatBytes(report.bytesFromPeers)} from peers, ${formatBytes(report.bytesFromOrigin)} over the store's link, ${formatBytes(report.bytesFromLocal)} from their own disk; ${formatBytes(report.wireBytes)} on their links; a node took ${report.peakRssMiB} MiB at most
compared byte by byte with the source files: ${report.wrongBytes} wrong bytes`;
}
