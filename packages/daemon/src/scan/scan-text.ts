import { formatBytes, formatDuration, formatRate } from '@quarry/runtime';
import { textTable } from '../cli/text-table.ts';
import type { ScanReport } from './scan-tally.ts';
import type { Between } from './spectrum.ts';
import type { StormCase, StormEstimate } from './storm-estimate.ts';

/** For people. */
export function scanText(report: ScanReport, storm: StormEstimate | undefined, isStopped: boolean): string {
  const blocks = [
    readText(report, isStopped),
    dedupText(report),
    ...(report.families.length > 0 ? [familiesText(report)] : []),
    ...(storm ? [stormText(storm, report)] : []),
    ...(report.failures.length > 0 ? [failuresText(report)] : []),
  ];
  return blocks.join('\n\n');
}

function readText(
  { images, foundBytes, readBytes, seconds, chunks, ...report }: ScanReport,
  isStopped: boolean,
): string {
  const { found, chosen, read } = images;
  const rate = formatRate(readBytes / Math.max(seconds, 0.001));
  const lines = [
    `${isStopped ? 'stopped: ' : ''}read ${read} of ${found} images, ${formatBytes(readBytes)} of ${formatBytes(foundBytes)}, in ${formatDuration(seconds * 1000)} (${rate})`,
    `${percent(report.zeroBytes, readBytes)} are zeros, which are never stored and never travel; the rest is ${chunks} chunks`,
  ];
  if (read < found && chosen === found && !isStopped) lines.push('images that could not be read are left out');
  else if (read < found)
    lines.push(
      'the images were taken at random, and each was read whole: what all of them have in common is between two bounds',
    );
  if (report.keptOneIn > 1)
    lines.push(
      `memory was enough for one chunk in ${report.keptOneIn}, chosen by content: unique bytes may be ${percent(report.uniqueBytesError, report.uniqueBytes)} off (95 %)`,
    );
  return lines.join('\n');
}

function dedupText({ domains, uniqueBytes, readBytes, zeroBytes, ...report }: ScanReport): string {
  const row = (name: string, images: number, bytes: number, zeros: number, unique: number): string[] => [
    name,
    String(images),
    formatBytes(bytes),
    formatBytes(zeros),
    formatBytes(unique),
    times(bytes - zeros, unique),
  ];
  const rows = domains
    .slice(0, 20)
    .map((domain) => row(domain.domain, domain.images, domain.imageBytes, domain.zeroBytes, domain.uniqueBytes));
  if (domains.length > 20) rows.push([`${domains.length - 20} more`, '', '', '', '', '']);
  if (domains.length > 1) rows.push(row('all', report.images.read, readBytes, zeroBytes, uniqueBytes));
  const lines = [textTable(['domain', 'images', 'size', 'zeros', 'unique', 'dedup'], rows)];
  if (report.images.read < report.images.found)
    lines.push(`all ${report.images.found} images: ${between(report.allUniqueBytes)} unique`);
  if (domains.length > 1)
    lines.push(
      `${formatBytes(report.behindBordersBytes)} are stored again because projects do not share with each other (without that border: ${formatBytes(uniqueBytes - report.behindBordersBytes)} unique)`,
    );
  const { compression } = report;
  if (compression)
    lines.push(
      `zstd level 1 makes the data ${compression.factor.toFixed(2)} × smaller (95 %: ${compression.least.toFixed(2)} to ${compression.most.toFixed(2)}; ${compression.pieces} pieces)`,
    );
  return lines.join('\n');
}

function familiesText({ families }: ScanReport): string {
  const rows = families.map(({ name, images, sharedBytes, savedBytes }) => [
    name,
    String(images),
    formatBytes(sharedBytes),
    formatBytes(savedBytes),
  ]);
  return textTable(['most shared base', 'images', 'in common', 'saves'], rows);
}

function stormText(storm: StormEstimate, { compression }: ScanReport): string {
  const { unshelves, hosts, linkBytesPerSecond, originBytesPerSecond, expectedFactor } = storm;
  const seconds = (least: number, most: number): string =>
    least === most || Math.abs(most - least) < 0.02 * most
      ? formatDuration(most * 1000)
      : `${formatDuration(least * 1000)} to ${formatDuration(most * 1000)}`;
  const row = (name: string, { storeBytes, boundSeconds, limit }: StormCase, factor: number): string[] => [
    name,
    between(storeBytes),
    boundSeconds.most === 0 ? 'none' : seconds(boundSeconds.least, boundSeconds.most),
    boundSeconds.most === 0 ? 'local disks' : seconds(boundSeconds.least, boundSeconds.most * factor),
    limit,
  ];
  const rows = [
    row('today', storm.today, 1),
    row('Quarry, cold', storm.cold, expectedFactor),
    row('Quarry, base cached', storm.baseCached, expectedFactor),
    row('Quarry, shelved here', storm.shelvedHere, expectedFactor),
  ];
  const smaller = compression && compression.factor > 1.1 ? compression.factor.toFixed(2) : undefined;
  return [
    `${unshelves} unshelves at once on ${hosts} hosts, ${bits(linkBytesPerSecond)} each, the store's link ${bits(originBytesPerSecond)}`,
    textTable(['', 'from the store', 'bound T*', 'time', 'limit'], rows),
    `T* is what these links demand, whoever decides; Quarry's time is up to ${expectedFactor} × that, where disks keep up`,
    ...(smaller ? [`where store.encoding is on, Quarry's bytes on links are ${smaller} × fewer`] : []),
  ].join('\n');
}

function failuresText({ failures }: ScanReport): string {
  const lines = failures.slice(0, 10).map(({ image, message }) => `not read ${image}: ${message}`);
  if (failures.length > 10) lines.push(`and ${failures.length - 10} more`);
  return lines.join('\n');
}

function between({ least, most }: Between): string {
  return formatBytes(least) === formatBytes(most) ? formatBytes(most) : `${formatBytes(least)} to ${formatBytes(most)}`;
}

function times(bytes: number, unique: number): string {
  return unique === 0 ? '-' : `${(bytes / unique).toFixed(2)} x`;
}

function percent(part: number, whole: number): string {
  return whole === 0 ? '0 %' : `${((100 * part) / whole).toFixed(1)} %`;
}

function bits(bytesPerSecond: number): string {
  const bitsPerSecond = bytesPerSecond * 8;
  if (bitsPerSecond === Infinity) return 'unlimited';
  return bitsPerSecond >= 1e9
    ? `${+(bitsPerSecond / 1e9).toFixed(2)} Gbit/s`
    : `${+(bitsPerSecond / 1e6).toFixed(2)} Mbit/s`;
}
