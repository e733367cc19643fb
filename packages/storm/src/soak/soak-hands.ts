import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '@quarry/runtime';
import { countWrongBytes } from '../images/count-wrong-bytes.ts';
import { curl } from '../quarry/curl.ts';
import { createImageWords, deleteWords, statusWords, unshelveWords, uploadWords } from '../quarry/facade-calls.ts';
import type { Cluster } from '../quarry/start-cluster.ts';
import type { SourceImage } from '../source-images.ts';
import { StormError } from '../storm-error.ts';
import type { StormGlance } from '../storm-glance.ts';
import type { Place, StormNetwork, Waiting } from '../storm-network.ts';
import type { SoakHands } from './play-soak.ts';
import { createSoakDisk } from './soak-disk.ts';
import type { SoakDisk } from './soak-disk.ts';
import type { SoakStep } from './soak-plan.ts';

export interface SoakHandsDeps {
  readonly clock: Clock;
  readonly network: Pick<StormNetwork, 'hosts'>;
  readonly glance: Pick<StormGlance, 'url' | 'token' | 'id'>;
  readonly cluster: Pick<Cluster, 'nodes' | 'startNode'>;
  /** Image 0 of Glance. */
  readonly base: SourceImage;
  /** For disks of instances and what unshelves bring. */
  readonly directory: string;
  readonly seed: number;
  /** Called before a daemon is told to end, or killed. */
  readonly onEnding: (pid: number) => void;
}

/** What takes longer hangs: links carry such an image in seconds. */
const STEP_WITHIN_MS = 300_000;

interface Instance {
  readonly disk: SoakDisk;
  readonly imageId?: string;
}

/** Steps as Nova and an operator make them: through the façade of the host, and by signals. */
export function createSoakHands(deps: SoakHandsDeps): SoakHands {
  const { network, glance, cluster, base, directory } = deps;
  const instances = new Map<number, Instance>();
  let files = 0;

  const placeOf = (host: number): Place => network.hosts[host] ?? missing(`host ${host}`);
  const instanceOf = (instance: number): Instance => instances.get(instance) ?? missing(`instance ${instance}`);
  const shelvedAs = (instance: number): string => instanceOf(instance).imageId ?? missing(`a snapshot of ${instance}`);
  const fetch = async (
    host: number,
    imageId: string,
    sourcePath: string,
    sizeBytes: number,
    waiting: Waiting,
  ): Promise<{ compared: number; wrong: number }> => {
    const file = join(directory, `got-${(files += 1)}`);
    try {
      await curl(placeOf(host), unshelveWords(imageId, glance.token, file), waiting);
      return { compared: sizeBytes, wrong: await countWrongBytes(sourcePath, file, waiting) };
    } finally {
      await rm(file, { force: true });
    }
  };
  const shelve = async (host: number, instance: number, waiting: Waiting): Promise<void> => {
    const place = placeOf(host);
    const { disk } = instanceOf(instance);
    const made = { name: `instance-${instance}`, baseId: glance.id(0), instance: randomUUID() };
    const answer = await curl(place, createImageWords(glance.url, glance.token, made), waiting);
    const { id } = JSON.parse(answer) as { readonly id?: unknown };
    if (typeof id !== 'string') throw new StormError('STORM_PART_FAILED', `Glance made no image: ${answer}`);
    const last = await curl(place, uploadWords(id, glance.token, disk.path), waiting);
    const { status } = JSON.parse(last) as { readonly status?: unknown };
    if (status !== 'active')
      throw new StormError('STORM_PART_FAILED', `what was shelved as ${id} is ${String(status)} at Glance`);
    instances.set(instance, { disk, imageId: id });
  };
  const remove = async ({ host, instance, isLast }: Extract<SoakStep, { kind: 'delete' }>, waiting: Waiting) => {
    const id = shelvedAs(instance);
    await curl(placeOf(host), deleteWords(id, glance.token), waiting);
    const status = await curl(placeOf(host), statusWords(id, glance.token), waiting);
    if (status.trim() !== '404')
      throw new StormError('STORM_PART_FAILED', `image ${id} is deleted, and its data is answered with ${status}`);
    const { disk } = instanceOf(instance);
    if (isLast) {
      await disk.remove();
      instances.delete(instance);
      return;
    }
    await disk.write();
    instances.set(instance, { disk });
  };
  const restart = async (host: number, isClean: boolean, waiting: Waiting): Promise<void> => {
    const node = cluster.nodes[host] ?? missing(`a daemon on host ${host}`);
    deps.onEnding(node.pid);
    node.signal(isClean ? 'SIGTERM' : 'SIGKILL');
    const how = await node.ended;
    cluster.nodes[host] = undefined;
    if (isClean && how !== 'with exit code 0')
      throw new StormError('STORM_PART_FAILED', `${node.name} was told to stop, and ended ${how}`);
    await cluster.startNode(host, waiting);
  };
  const nothing = { compared: 0, wrong: 0 };
  return {
    async perform(step, { signal }) {
      const late = new AbortController();
      const cancel = deps.clock.after(STEP_WITHIN_MS, () =>
        late.abort(new StormError('STORM_PART_FAILED', `it was not done after ${STEP_WITHIN_MS / 1000} s`)),
      );
      const waiting = { signal: AbortSignal.any([signal, late.signal]) };
      try {
        switch (step.kind) {
          case 'boot': {
            const id = glance.id(0) ?? missing('the base image');
            const path = join(directory, `disk-${step.instance}`);
            const disk = await createSoakDisk(path, base.path, deps.seed + step.instance);
            instances.set(step.instance, { disk });
            const compared = await fetch(step.host, id, base.path, base.sizeBytes, waiting);
            await disk.write();
            return compared;
          }
          case 'shelve':
            await shelve(step.host, step.instance, waiting);
            return nothing;
          case 'unshelve': {
            const { disk } = instanceOf(step.instance);
            return await fetch(step.host, shelvedAs(step.instance), disk.path, base.sizeBytes, waiting);
          }
          case 'delete':
            await remove(step, waiting);
            return nothing;
          case 'restart':
            await restart(step.host, step.isClean, waiting);
            return nothing;
        }
      } finally {
        cancel();
      }
    },
  };
}

function missing(what: string): never {
  throw new TypeError(`there is not ${what}`);
}
