// A network in memory: the real protocol between many nodes of one process, under a clock that tests and the simulator own.
export { createMemoryHub, memoryHubDefaults } from './memory-hub.ts';
export type { MemoryHub, MemoryHubOptions, MemoryNodeOptions } from './memory-hub.ts';
export type { MemoryNetwork } from './memory-network.ts';
