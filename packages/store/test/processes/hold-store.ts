// Opens a store, says so, and holds it until standard input ends. Argument: directory.
import { silentLogger, systemClock } from '@quarry/runtime';
import { createDiskStore } from '@quarry/store';

const [directory = ''] = process.argv.slice(2);
const store = await createDiskStore({ clock: systemClock, logger: silentLogger }, { directory });
console.log('open');
process.stdin.resume().on('end', () => void store.close());
