import type { Clock } from '@quarry/runtime';
import type { Storm } from '@quarry/scenario';
import type { Attempt } from '../contestant.ts';
import type { StormGlance } from '../storm-glance.ts';
import type { StormNetwork } from '../storm-network.ts';
import { planEvents } from './plan-events.ts';
import type { StormEvent } from './plan-events.ts';

export interface PlayDeps {
  readonly clock: Clock;
  readonly network: StormNetwork;
  readonly glance: StormGlance;
  readonly attempt: Attempt;
}

export interface PlayOptions {
  /** The host's file that an unshelve makes. */
  readonly fileOf: (index: number) => string;
  /** After so long what has not ended has failed. */
  readonly patienceMs: number;
  readonly signal: AbortSignal;
  readonly onEnded: (finished: number) => void;
}

export interface PlayedUnshelve {
  readonly host: number;
  readonly image: number;
  readonly atMs: number;
  /** From the storm's start. */
  readonly endedMs: number | undefined;
  readonly failure: string | undefined;
}

export interface PlayedStorm {
  readonly unshelves: readonly PlayedUnshelve[];
  /** Until the last unshelve that finished, or the last failure where none did. */
  readonly durationMs: number;
  readonly notes: readonly string[];
}

/**
 * Lets the storm happen: every unshelve, shelve and fault at its time, whatever became of those before. Resolves when all unshelves have ended, or their
 * patience has. Links and Glance are as before afterwards only if every fault has ended: whoever comes next shapes anew.
 * @throws the signal's reason
 */
export async function playStorm(storm: Storm, deps: PlayDeps, options: PlayOptions): Promise<PlayedStorm> {
  const { clock, network, glance, attempt } = deps;
  const { signal } = options;
  const patience = new AbortController();
  const running = AbortSignal.any([signal, patience.signal]);
  const stopPatience = clock.after(options.patienceMs, () =>
    patience.abort(new Error(`not over after ${Math.round(options.patienceMs / 1000)} s`)),
  );
  const deaths = new Map<number, AbortController>();
  const dead = new Set<number>();
  const lifeOf = (host: number): AbortController => {
    const known = deaths.get(host) ?? new AbortController();
    deaths.set(host, known);
    return known;
  };
  const notes = new Set<string>();
  const startMs = clock.now();
  const sinceStart = (): number => clock.now() - startMs;
  const played: PlayedUnshelve[] = storm.unshelves.map(({ host, image, atMs }) => {
    return { host, image, atMs, endedMs: undefined, failure: 'it never began' };
  });
  const shelved = new Map(storm.shelves.map(({ image }) => [image, Promise.withResolvers<void>()]));
  /** Nothing is left that anybody waits for: faults that are still to come need not. */
  const over = new AbortController();
  let finished = 0;
  let ended = 0;

  const unshelve = async (event: Extract<StormEvent, { kind: 'unshelve' }>): Promise<void> => {
    const { host, image } = event.unshelve;
    let { atMs } = event.unshelve;
    const end = (failure: string | undefined): void => {
      const endedMs = failure === undefined ? sinceStart() : undefined;
      played[event.index] = { host, image, atMs, endedMs, failure };
      if (failure === undefined) finished += 1;
      ended += 1;
      options.onEnded(finished);
      if (ended === storm.unshelves.length) over.abort();
    };
    if (dead.has(host)) return end('its host is dead');
    const life = AbortSignal.any([running, lifeOf(host).signal]);
    // nobody unshelves what is still being shelved: the unshelve comes when Glance has the image
    const late = glance.id(image) === undefined ? shelved.get(image) : undefined;
    if (late) {
      await Promise.race([late.promise, aborted(life)]);
      atMs = sinceStart();
    }
    try {
      await attempt.unshelve(event.unshelve, options.fileOf(event.index), { signal: life });
      end(undefined);
    } catch (error) {
      end(dead.has(host) || lifeOf(host).signal.aborted ? 'its host died' : messageOf(error));
    }
  };

  const happen = async (event: StormEvent): Promise<void> => {
    switch (event.kind) {
      case 'unshelve':
        return await unshelve(event);
      case 'shelve': {
        const { host } = event.shelve;
        if (dead.has(host)) notes.add(`nothing was shelved on ${nameOf(storm, host)}: it was dead`);
        else await attempt.shelve(event.shelve, { signal: AbortSignal.any([running, lifeOf(host).signal]) });
        return shelved.get(event.shelve.image)?.resolve();
      }
      case 'die':
        dead.add(event.host);
        lifeOf(event.host).abort(new Error('its host died'));
        return;
      case 'revive':
        dead.delete(event.host);
        deaths.delete(event.host);
        return;
      case 'linkFactor':
        return await network.setLinkFactor(event.host, event.factor, { signal: running });
      case 'cutOff':
        return await network.setCutOff(event.hosts, event.isCutOff, { signal: running });
      case 'glance':
        return await glance.setFailing(event.how, { signal: running });
      case 'fault':
        if (!(await attempt.fault(event.fault, { signal: running })))
          notes.add(`the fault "${event.fault.kind}" means nothing here`);
    }
  };

  const unshelves: Promise<void>[] = [];
  const others: Promise<void>[] = [];
  try {
    for (const event of planEvents(storm)) {
      const waitMs = event.atMs - sinceStart();
      if (waitMs > 0) await clock.sleep(waitMs, { signal: AbortSignal.any([running, over.signal]) });
      const under = happen(event).catch((error: unknown) => {
        if (!running.aborted) notes.add(`${event.kind} at ${Math.round(event.atMs)} ms: ${messageOf(error)}`);
      });
      (event.kind === 'unshelve' ? unshelves : others).push(under);
    }
    await Promise.all(unshelves);
  } catch (error) {
    if (!patience.signal.aborted && !over.signal.aborted) throw error;
    await Promise.all(unshelves);
  } finally {
    stopPatience();
    patience.abort(new Error('the storm is over'));
  }
  const durationMs = Math.max(0, ...played.map(({ endedMs }) => endedMs ?? 0)) || sinceStart();
  await Promise.all(others);
  signal.throwIfAborted();
  return { unshelves: played, durationMs, notes: [...notes] };
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

function nameOf(storm: Storm, host: number): string {
  return storm.hosts[host]?.name ?? `host ${host}`;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
