import { createSemaphore, systemRandom } from '@quarry/runtime';
import type { Clock, Lifecycle } from '@quarry/runtime';
import { StormError } from '../storm-error.ts';
import type { Calibration, Place, StormNetwork, Waiting } from '../storm-network.ts';
import { measureLink } from './calibration.ts';
import { readCounters } from './counters.ts';
import { createIslands } from './islands.ts';
import type { Recabling } from './islands.ts';
import {
  batchText,
  FABRIC_SETTINGS,
  fabricLinks,
  forwarding,
  machineLinks,
  machineSettings,
  ownSpeed,
  portSpeed,
  segmentRunOf,
  uplinkSpeeds,
} from './network-batches.ts';
import type { Batch, Speeds } from './network-batches.ts';
import { machinesOf, planNetwork } from './network-plan.ts';
import type { Machine, NetworkNeeds, NetworkPlan } from './network-plan.ts';
import { forEachFew, runTool } from './run-tool.ts';
import { markRun, namespacePath, namespacePrefix, removeRun, removeStaleRuns } from './stale-runs.ts';
import { whyNoStormNetwork } from './why-no-storm-network.ts';

export interface StormNetworkDeps {
  readonly clock: Clock;
  /** Closing it kills what still runs in the network and removes all of it, also when it is half made. */
  readonly lifecycle: Lifecycle;
  /** A line for people. */
  readonly note?: (line: string) => void;
}

export interface StormNetworkOptions {
  readonly storm: NetworkNeeds;
  readonly signal: AbortSignal;
  /** Absolute, its last part beginning with `quarry-`. Removed with the run, by the next one if this one is killed. */
  readonly runDirectory?: string;
}

/**
 * Makes the namespaces, switches and cables, after removing what runs left that were killed. `unshape` and `shape` also heal every cut-off and give links their
 * whole speed back.
 *
 * @throws StormError STORM_IMPOSSIBLE_HERE with what to do; STORM_UNSUPPORTED; STORM_PART_FAILED with the tool's words; the signal's reason
 */
export async function createStormNetwork(
  { clock, lifecycle, note = () => {} }: StormNetworkDeps,
  { storm, signal, runDirectory }: StormNetworkOptions,
): Promise<StormNetwork> {
  const why = whyNoStormNetwork();
  if (why !== undefined) throw new StormError('STORM_IMPOSSIBLE_HERE', why);
  signal.throwIfAborted();
  // Another run's remains that resist are no reason not to run.
  const stale = await removeStaleRuns({ clock }).catch((error: Error) => note(`could not clean up: ${error.message}`));
  for (const run of stale ?? []) note(`removed what run ${run} left, which was killed`);
  const run = Buffer.from(systemRandom.bytes(3)).toString('hex');
  const plan = planNetwork(storm, namespacePrefix(run));
  const runBytes = segmentRunOf(plan);
  const marker = await markRun(run, runDirectory);
  const stop = AbortSignal.any([signal, lifecycle.signal]);
  const building = build(plan, runBytes, stop);
  lifecycle.onClose(`the storm network ${run}`, async () => {
    await building.catch(() => {}); // what it is just making must be there to be removed
    await removeRun(marker, { clock });
  });
  await building;

  const factors = new Map<Machine, number>();
  const islands = createIslands(plan);
  let isShaped = false;
  const turns = createSemaphore(1);
  const speeds = (): Speeds => ({ isShaped, runBytes, factor: (machine) => factors.get(machine) ?? 1 });
  const setSpeeds = async (options: Waiting): Promise<void> => {
    const batch = [...machinesOf(plan).map((machine) => portSpeed(machine, speeds())), ...uplinkSpeeds(plan, speeds())];
    await inFabric(plan, 'tc', batch, options.signal);
    await setOwnSpeeds(machinesOf(plan), speeds(), options.signal);
  };
  const recable = async ({ links, forwarding: entries }: Recabling, options: Waiting): Promise<void> => {
    await inFabric(plan, 'ip', links, options.signal);
    await inFabric(plan, 'bridge', entries, options.signal);
  };
  const hostAt = (index: number): Machine => {
    const host = plan.hosts[index];
    if (!host) throw new StormError('STORM_BAD_ARGUMENT', `there is no host ${index}: there are ${plan.hosts.length}`);
    return host;
  };
  const reset = async (shaped: boolean, options: Waiting): Promise<void> => {
    isShaped = shaped;
    factors.clear();
    await recable(islands.healAll(), options);
    await setSpeeds(options);
  };
  /** The other end is a rack's machine, whose links have no limit meanwhile, nor has its rack's. */
  const calibrate = async (options: Waiting): Promise<readonly Calibration[]> => {
    const host = hostAt(0);
    const rack = plan.racks[host.zone ?? 0];
    if (!rack) throw new StormError('STORM_BAD_ARGUMENT', `host 0 is in zone ${host.zone}, which the storm has not`);
    const setRackSpeeds = async (isLimited: boolean, signal: AbortSignal): Promise<void> => {
      const some = { ...speeds(), isShaped: isLimited };
      await inFabric(plan, 'tc', [portSpeed(rack, some), ...uplinkSpeeds(plan, some)], signal);
      await setOwnSpeeds([rack], some, signal);
    };
    const links: readonly (readonly [string, number, Machine, Machine])[] = [
      [`${host.name} down`, host.downBytesPerSecond, rack, host],
      [`${host.name} up`, host.upBytesPerSecond, host, rack],
      ['origin up', plan.origin.upBytesPerSecond, plan.origin, rack],
    ];
    await setRackSpeeds(false, options.signal);
    try {
      const measured: Calibration[] = [];
      for (const [link, setBytesPerSecond, from, to] of links) {
        if (setBytesPerSecond === Infinity) continue;
        measured.push(
          await measureLink({ clock }, { link, setBytesPerSecond, from: placeOf(from), to: placeOf(to) }, options),
        );
      }
      return measured;
    } finally {
      if (!options.signal.aborted) await setRackSpeeds(true, options.signal);
    }
  };
  return {
    hosts: plan.hosts.map(placeOf),
    racks: plan.racks.map(placeOf),
    origin: placeOf(plan.origin),
    shape: (options) => turns.run(() => reset(true, options), options),
    unshape: (options) => turns.run(() => reset(false, options), options),
    setLinkFactor: (index, factor, options) =>
      turns.run(async () => {
        const host = hostAt(index);
        if (!(factor > 0 && factor <= 1))
          throw new StormError('STORM_BAD_ARGUMENT', `a link's factor is above 0 and up to 1, not ${factor}`);
        if (!isShaped)
          throw new StormError('STORM_BAD_ARGUMENT', 'links have no speed to take a part of before they are shaped');
        factors.set(host, factor);
        await inFabric(plan, 'tc', [portSpeed(host, speeds())], options.signal);
        await setOwnSpeeds([host], speeds(), options.signal);
      }, options),
    setCutOff: (indexes, isCutOff, options) =>
      turns.run(async () => {
        for (const index of indexes) hostAt(index);
        await recable(isCutOff ? islands.cutOff(indexes) : islands.heal(indexes), options);
      }, options),
    counters: (options) => readCounters(plan, { runBytes }, options),
    calibrate: (options) =>
      turns.run(async () => {
        if (!isShaped)
          throw new StormError('STORM_BAD_ARGUMENT', 'there is nothing to calibrate before links are shaped');
        return await calibrate(options);
      }, options),
  };
}

async function build(plan: NetworkPlan, runBytes: number, signal: AbortSignal): Promise<void> {
  const machines = machinesOf(plan);
  const namespaces = [plan.fabric, ...machines.map(({ namespace }) => namespace)];
  // Dies with us: what it made after our death the next run would not see.
  await runTool('setpriv', ['--pdeathsig', 'KILL', '--', 'ip', '-batch', '-'], {
    input: batchText(namespaces.map((name) => `netns add ${name}`)),
    signal,
  });
  await runTool('nsenter', [netOption(plan.fabric), 'sh', '-c', settingScript(FABRIC_SETTINGS, 'true')], { signal });
  await inFabric(plan, 'ip', fabricLinks(plan), signal);
  await inFabric(plan, 'bridge', forwarding(plan), signal);
  const unshaped: Speeds = { isShaped: false, runBytes, factor: () => 1 };
  await inFabric(
    plan,
    'tc',
    [...machines.map((machine) => portSpeed(machine, unshaped)), ...uplinkSpeeds(plan, unshaped)],
    signal,
  );
  await forEachFew(machines, (machine) => {
    const script = settingScript(machineSettings(runBytes), `tc ${ownSpeed(machine, unshaped)} && exec ip -batch -`);
    const input = batchText(machineLinks(machine, plan, runBytes));
    return runTool('nsenter', [netOption(machine.namespace), 'sh', '-c', script], { input, signal });
  });
}

/** Where the kernel has no such setting, there is nothing to set. */
function settingScript(settings: Readonly<Record<string, string>>, then: string): string {
  const lines = Object.entries(settings).map(
    ([name, value]) => `[ ! -e /proc/sys/${name} ] || echo ${value} >/proc/sys/${name} || exit`,
  );
  return [...lines, then].join('\n');
}

async function inFabric(
  plan: NetworkPlan,
  tool: 'ip' | 'tc' | 'bridge',
  batch: Batch,
  signal: AbortSignal,
): Promise<void> {
  if (batch.length === 0) return;
  await runTool('nsenter', [netOption(plan.fabric), tool, '-batch', '-'], { input: batchText(batch), signal });
}

/** Each needs a process in its namespace; a shell starts them faster than this process, which is large by then. */
async function setOwnSpeeds(machines: readonly Machine[], speeds: Speeds, signal: AbortSignal): Promise<void> {
  const shells = Array.from({ length: SHELLS }, (_, shell) =>
    machines.filter((_machine, index) => index % SHELLS === shell),
  );
  await forEachFew(
    shells.filter((shell) => shell.length > 0),
    (shell) => {
      const lines = shell.map((machine) => `nsenter ${netOption(machine.namespace)} tc ${ownSpeed(machine, speeds)}`);
      return runTool('sh', ['-e'], { input: batchText(lines), signal });
    },
  );
}

const SHELLS = 4;

function netOption(namespace: string): string {
  return `--net=${namespacePath(namespace)}`;
}

function placeOf({ name, address, zone, namespace }: Machine): Place {
  return { name, address, zone, prefix: ['nsenter', netOption(namespace), 'setpriv', '--pdeathsig', 'KILL', '--'] };
}
