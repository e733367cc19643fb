import { markup } from './drawing/markup.ts';
import type { Markup } from './drawing/markup.ts';

const TERMS: readonly (readonly [term: string, meaning: string])[] = [
  ['unshelf', 'one host bringing one image to its own disk so that a server can start from it'],
  ['makespan', 'from the start of the storm until the last unshelf that can finish has finished'],
  [
    'T*',
    'the least time that any way could take on these links: the largest of what the origin’s link, the slowest host’s link, the links of the racks, all uplinks together and the last arrival demand',
  ],
  ['ratio', 'makespan divided by T*: 1 is perfect'],
  ['p50, p95, p99', 'durations that half, 95 % and 99 % of the unshelves did not exceed, each from its own start'],
  ['from origin', 'payload that left the origin’s link during the storm: the kernel’s count without packet headers'],
  ['unique', 'bytes of the images that no host held before: these had to leave the origin once'],
  ['amplification', 'bytes that left the origin divided by the unique ones: 1 is perfect'],
  ['wrong bytes', 'bytes of finished images that are not those of the source, compared after the storm'],
  ['CPU', 'processor time of all processes of the contestant for each GB (10⁹ bytes) of images delivered'],
  ['RSS', 'memory of one process, with all pages that it shares with others'],
  [
    'PSS',
    'memory of processes where a page that several share counts to each by its part: the sum over processes is what they really take',
  ],
  ['idle', 'part of the machine’s processors without work: all hosts of the storm run on this one machine'],
  ['MiB, Mbit/s', '2²⁰ bytes; 10⁶ bits a second, as links are sold'],
];

/** What the figures mean. */
export function glossary(): Markup {
  return markup`<dl class="glossary">${TERMS.map(([term, meaning]) => markup`<dt>${term}</dt><dd>${meaning}</dd>`)}</dl>`;
}
