/**
 * A shaped link in its own process, so that what it costs is not taken from the nodes that are measured. The options are the
 * first argument, as JSON. One line of JSON per answer on standard output: first `{"ports":[…]}`, then `{"stats":{"routes":[…]}}`
 * for each line `stats` on standard input. It ends when standard input does, so it never outlives who started it.
 */
import { createInterface } from 'node:readline';
import { systemClock } from '@quarry/runtime';
import { createShapedLink, type ShapedLinkOptions } from './shaped-link.ts';

const say = (answer: object): void => void process.stdout.write(`${JSON.stringify(answer)}\n`);

const link = await createShapedLink({ clock: systemClock }, JSON.parse(process.argv[2] ?? '') as ShapedLinkOptions);
const commands = createInterface({ input: process.stdin });
process.on('SIGTERM', () => commands.close());
// Ctrl-C goes to everybody at the terminal: who started us stops us when the last figures are read.
process.on('SIGINT', () => {});

say({ ports: link.ports });
for await (const command of commands) if (command === 'stats') say({ stats: { routes: link.stats() } });
process.stdin.destroy();
await link.close();
