import type { Clock, Lifecycle, Random } from '@quarry/runtime';
import type { Storm, StormFault, StormShelve, StormUnshelve } from '@quarry/scenario';
import type { StormGlance } from './storm-glance.ts';
import type { SourceImages } from './source-images.ts';
import type { StormNetwork, Waiting } from './storm-network.ts';

/** One way to get images into hosts. All do the same work on the same network, one after the other. */
export interface Contestant {
  /** As in `--against`: `quarry`, `direct`, `shared-file`, `rack-cache`, `aria2`, `libtorrent`. */
  readonly name: string;
  /** One line: what runs, how it is tuned. */
  readonly about: string;
  /** Why it cannot run here, or has nothing to say about this storm; undefined: it can. Cheap. */
  whyNot(storm: Storm, options: Waiting): Promise<string | undefined>;
  /**
   * Starts what runs beforehand (servers, seeds, daemons) and brings about what hosts hold when it begins, over links without limits. All that it starts
   * goes when `stage.lifecycle` closes.
   */
  prepare(stage: Stage): Promise<Attempt>;
}

/** A contestant that is ready: its storm begins now, on links that are shaped. */
export interface Attempt {
  /** Brings the image to the host's file, as its way is; resolves when the last byte is in the file. Two unshelves on one host may overlap. Never compares. */
  unshelve(unshelve: StormUnshelve, file: string, options: Waiting): Promise<void>;
  /** Uploads the image from the host, as Nova does. Resolves when Glance has it. */
  shelve(shelve: StormShelve, options: Waiting): Promise<void>;
  /** What the fault does to this contestant's processes; links, cut-offs and Glance's failures are not its matter. False: it means nothing here (say so in the docs). */
  fault(fault: StormFault, options: Waiting): Promise<boolean>;
  /** What runs now and for long: the roots of the process trees. */
  processes(): readonly WatchedProcess[];
  /** After the storm, before all is stopped: what only it knows. */
  account(options: Waiting): Promise<AttemptAccount>;
}

export interface WatchedProcess {
  readonly pid: number;
  /** Index of the host; undefined: on the origin's side, or a rack's cache. */
  readonly host: number | undefined;
  /** `node`, `seeder`, `nginx`, `aria2c`. */
  readonly name: string;
}

export interface AttemptAccount {
  /** Bytes of chunks by where each host had them from, in the storm's order; undefined where it cannot be told. */
  readonly sources?: readonly HostSources[];
  /** Why the slowest host was late, in words, a line each. */
  readonly criticalPath?: readonly string[];
}

export interface HostSources {
  readonly local: number;
  /** Peers of the same rack (where there is more than one rack), and of others. */
  readonly rack: number;
  readonly peer: number;
  readonly seeder: number;
  readonly origin: number;
}

/** What a contestant is given. */
export interface Stage {
  readonly storm: Storm;
  readonly network: StormNetwork;
  readonly glance: StormGlance;
  readonly images: SourceImages;
  /** Its own, empty; at most 60 bytes long, so that unix sockets fit. It goes with the run. */
  readonly directory: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly lifecycle: Lifecycle;
  readonly signal: AbortSignal;
  /** A line for people. */
  readonly note: (line: string) => void;
}
