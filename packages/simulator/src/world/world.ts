import type { Random } from '@quarry/runtime';
import type { Storm } from '@quarry/scenario';
import type { EventQueue } from '../engine/event-queue.ts';
import type { FlowNetwork } from '../engine/flow-network.ts';
import type { Invariants } from '../invariants.ts';
import type { TraceSink } from '../trace.ts';
import type { Counts } from './counts.ts';
import type { Gossip } from './gossip.ts';
import type { SimNode } from './sim-node.ts';
import type { SimPacks } from './sim-packs.ts';
import type { SimSeeder } from './sim-seeder.ts';
import type { SimStore } from './sim-store.ts';
import type { Topology } from './topology.ts';
import type { Transfers } from './transfers.ts';
import type { Wire } from './wire.ts';

/** All that the parts of one simulation share. */
export interface World {
  readonly storm: Storm;
  readonly queue: EventQueue;
  readonly net: FlowNetwork;
  readonly random: Random;
  readonly packs: SimPacks;
  readonly topology: Topology;
  readonly wire: Wire;
  readonly transfers: Transfers;
  readonly gossip: Gossip;
  readonly store: SimStore;
  readonly counts: Counts;
  readonly invariants: Invariants;
  /** Whether hosts check what they are given. Only the test of the rule against bad chunks lets them not. */
  readonly verifies: boolean;
  readonly trace: TraceSink | undefined;
  /** By endpoint: hosts first, then seeders. */
  readonly nodes: readonly SimNode[];
  readonly seeders: readonly SimSeeder[];
}
