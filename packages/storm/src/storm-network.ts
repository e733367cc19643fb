/**
 * The network of a storm: a namespace for each host, its link shaped in both directions; a switch for each rack (zone), whose uplink is shaped in both
 * directions; the origin with a link of its own, outside of every rack. The harness itself is in none of them: it speaks to daemons over unix sockets and pipes.
 */
export interface StormNetwork {
  /** In the storm's order. */
  readonly hosts: readonly Place[];
  /** Where Glance and the seeders are: they share its one link, as they share the store's. */
  readonly origin: Place;
  /** One more machine in each rack, by zone, with a link like a host's: what a cache for the rack runs on. */
  readonly racks: readonly Place[];
  /** Links as the storm has them. Before the first call, and after `unshape`, they are as fast as the machine: for preparing. */
  shape(options: Waiting): Promise<void>;
  unshape(options: Waiting): Promise<void>;
  /** The host's link, both directions, at so great a part of its speed; 1 is as the storm has it. While shaped only. */
  setLinkFactor(host: number, factor: number, options: Waiting): Promise<void>;
  /** Cuts these hosts off from all others, and the store, or heals it. What is in flight is lost without a word. */
  setCutOff(hosts: readonly number[], isCutOff: boolean, options: Waiting): Promise<void>;
  /** Since the network was made. */
  counters(options: Waiting): Promise<NetworkCounters>;
  /** Sends for a moment over one host's link, each way, and over the origin's, and says how far off the rates are. While shaped only. */
  calibrate(options: Waiting): Promise<readonly Calibration[]>;
}

export interface Place {
  /** As in the storm: `host-07`. */
  readonly name: string;
  /** IPv4, reachable from every other place. */
  readonly address: string;
  /** Zone; undefined: outside of every rack. */
  readonly zone: number | undefined;
  /** Put before a command, so that it runs there, and dies when the harness dies however that comes about. */
  readonly prefix: readonly string[];
}

/** What a link has carried, by the kernel that shapes it: headers of every segment included. */
export interface LinkCounters {
  readonly bytes: number;
  /** Segments on the wire. */
  readonly packets: number;
}

export interface NetworkCounters {
  /** Out of the origin, over its link. */
  readonly originOut: LinkCounters;
  /** Into each host, in the storm's order. */
  readonly hostIn: readonly LinkCounters[];
  readonly hostOut: readonly LinkCounters[];
  /** Into each rack over its uplink. */
  readonly rackIn: readonly LinkCounters[];
}

export interface Calibration {
  /** `host-00 down`, `host-00 up`, `origin up`. */
  readonly link: string;
  readonly setBytesPerSecond: number;
  /** Payload as TCP delivers it, with the headers of its segments added. */
  readonly measuredBytesPerSecond: number;
}

export interface Waiting {
  readonly signal: AbortSignal;
}
