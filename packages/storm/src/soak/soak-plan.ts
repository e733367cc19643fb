import type { Random } from '@quarry/runtime';

/** One thing that happens to an instance, or to a host, during a soak. */
export type SoakStep =
  /** A new instance gets its disk from the base image. */
  | { readonly kind: 'boot'; readonly host: number; readonly instance: number }
  /** Its guest has written since; its disk goes up as a snapshot. */
  | { readonly kind: 'shelve'; readonly host: number; readonly instance: number }
  | { readonly kind: 'unshelve'; readonly host: number; readonly instance: number }
  /** Of the snapshot: as Nova does after an unshelve, or because the instance is deleted while it is shelved. */
  | { readonly kind: 'delete'; readonly host: number; readonly instance: number; readonly isLast: boolean }
  /** With SIGTERM, and waited for; or with SIGKILL. The daemon starts again at once. */
  | { readonly kind: 'restart'; readonly host: number; readonly isClean: boolean };

/**
 * What happens next, by chance and by what is so: a state machine without time. Whoever performs the steps says when each has ended; several may be under
 * way at once, none of which is in another's way: an instance has one at a time, and a host that restarts has no other (but serves its peers until then).
 */
export interface SoakPlan {
  /** Undefined: nothing can begin before something ends. */
  begin(): SoakStep | undefined;
  /** `isDone` false: it failed, and its instance is given up. */
  end(step: SoakStep, isDone: boolean): void;
}

export interface SoakPlanOptions {
  readonly hosts: number;
  /** At any time. */
  readonly instances: number;
  /** Hosts that restart now and then; the others never do, so that there are daemons as old as the soak. */
  readonly restartable: readonly number[];
}

type InstanceState = 'new' | 'running' | 'shelved' | 'restored';

/** How often each kind is taken where all are possible. A restart is rare beside the work of a host. */
const WEIGHTS: Readonly<Record<SoakStep['kind'] | 'destroy', number>> = {
  boot: 4,
  shelve: 4,
  unshelve: 6,
  delete: 8,
  destroy: 0.5,
  restart: 0.7,
};
/** Of the unshelves, those on the host that shelved. */
const SAME_HOST = 0.25;

export function createSoakPlan(random: Random, { hosts, instances, restartable }: SoakPlanOptions): SoakPlan {
  const states = new Map<number, { state: InstanceState; host: number }>();
  const busyInstances = new Set<number>();
  const worksOf = Array.from({ length: hosts }, () => 0);
  const restarting = new Set<number>();
  let nextInstance = 0;
  const anyHost = (): number => Math.floor(random.next() * hosts);
  const replace = (instance: number | undefined): void => {
    if (instance !== undefined) states.delete(instance);
    states.set(nextInstance, { state: 'new', host: anyHost() });
    nextInstance += 1;
  };
  for (let i = 0; i < instances; i += 1) replace(undefined);

  const possible = (): (readonly [SoakStep, number])[] => {
    const found: (readonly [SoakStep, number])[] = [];
    for (const [instance, { state, host }] of states) {
      if (busyInstances.has(instance)) continue;
      const target = state === 'shelved' && random.next() >= SAME_HOST ? anyHost() : host;
      if (restarting.has(target)) continue;
      if (state === 'new') found.push([{ kind: 'boot', host: target, instance }, WEIGHTS.boot]);
      if (state === 'running') found.push([{ kind: 'shelve', host, instance }, WEIGHTS.shelve]);
      if (state === 'restored') found.push([{ kind: 'delete', host, instance, isLast: false }, WEIGHTS.delete]);
      if (state === 'shelved') {
        found.push([{ kind: 'unshelve', host: target, instance }, WEIGHTS.unshelve]);
        found.push([{ kind: 'delete', host: target, instance, isLast: true }, WEIGHTS.destroy]);
      }
    }
    const idle = restartable.filter((host) => worksOf[host] === 0 && !restarting.has(host));
    for (const host of restarting.size === 0 ? idle : [])
      found.push([{ kind: 'restart', host, isClean: random.next() < 0.5 }, WEIGHTS.restart]);
    return found;
  };

  return {
    begin() {
      const choices = possible();
      const step = weighted(choices, random);
      if (!step) return undefined;
      if (step.kind === 'restart') restarting.add(step.host);
      else {
        busyInstances.add(step.instance);
        worksOf[step.host] = (worksOf[step.host] ?? 0) + 1;
      }
      return step;
    },
    end(step, isDone) {
      if (step.kind === 'restart') {
        restarting.delete(step.host);
        return;
      }
      worksOf[step.host] = (worksOf[step.host] ?? 0) - 1;
      busyInstances.delete(step.instance);
      const was = states.get(step.instance);
      if (!was) throw new TypeError(`instance ${step.instance} is not of this plan`);
      if (!isDone || (step.kind === 'delete' && step.isLast)) return replace(step.instance);
      const after: Record<Exclude<SoakStep['kind'], 'restart'>, InstanceState> = {
        boot: 'running',
        shelve: 'shelved',
        unshelve: 'restored',
        delete: 'running',
      };
      states.set(step.instance, { state: after[step.kind], host: step.host });
    },
  };
}

function weighted(choices: readonly (readonly [SoakStep, number])[], random: Random): SoakStep | undefined {
  let left = random.next() * choices.reduce((sum, [, weight]) => sum + weight, 0);
  for (const [step, weight] of choices) {
    left -= weight;
    if (left < 0) return step;
  }
  return choices.at(-1)?.[0];
}
