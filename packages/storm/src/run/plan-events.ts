import type { Storm, StormFault, StormShelve, StormUnshelve } from '@quarry/scenario';

/** What happens in a storm and when; the harness does it, whoever the contestant is. */
export type StormEvent =
  | { readonly kind: 'unshelve'; readonly atMs: number; readonly index: number; readonly unshelve: StormUnshelve }
  | { readonly kind: 'shelve'; readonly atMs: number; readonly shelve: StormShelve }
  /** A host dies: what runs on it is over. The contestant hears of it by `fault` too. */
  | { readonly kind: 'die'; readonly atMs: number; readonly host: number }
  | { readonly kind: 'revive'; readonly atMs: number; readonly host: number }
  | { readonly kind: 'linkFactor'; readonly atMs: number; readonly host: number; readonly factor: number }
  | { readonly kind: 'cutOff'; readonly atMs: number; readonly hosts: readonly number[]; readonly isCutOff: boolean }
  | { readonly kind: 'glance'; readonly atMs: number; readonly how: 'errors' | 'hangs' | 'truncates' | undefined }
  | { readonly kind: 'fault'; readonly atMs: number; readonly fault: StormFault };

/** In the order in which they happen; at the same time, faults before what they meet. */
export function planEvents(storm: Storm): readonly StormEvent[] {
  const events: StormEvent[] = storm.faults.flatMap((fault) => eventsOf(fault, storm.limitMs));
  for (const shelve of storm.shelves) events.push({ kind: 'shelve', atMs: shelve.atMs, shelve });
  for (const [index, unshelve] of storm.unshelves.entries())
    events.push({ kind: 'unshelve', atMs: unshelve.atMs, index, unshelve });
  return events.toSorted((a, b) => a.atMs - b.atMs);
}

function eventsOf(fault: StormFault, limitMs: number): StormEvent[] {
  const { atMs } = fault;
  const until = (event: StormEvent): StormEvent[] => (event.atMs < limitMs ? [event] : []);
  switch (fault.kind) {
    case 'kill':
      return [
        { kind: 'die', atMs, host: fault.host },
        { kind: 'fault', atMs, fault },
      ];
    case 'restart':
      return [
        { kind: 'revive', atMs, host: fault.host },
        { kind: 'fault', atMs, fault },
      ];
    case 'slowLink': {
      const { host, factor } = fault;
      return [
        { kind: 'linkFactor', atMs, host, factor },
        ...until({ kind: 'linkFactor', atMs: fault.untilMs, host, factor: 1 }),
      ];
    }
    case 'partition': {
      const { hosts } = fault;
      return [
        { kind: 'cutOff', atMs, hosts, isCutOff: true },
        ...until({ kind: 'cutOff', atMs: fault.untilMs, hosts, isCutOff: false }),
      ];
    }
    case 'originFails':
      return [
        { kind: 'glance', atMs, how: fault.how },
        ...until({ kind: 'glance', atMs: fault.untilMs, how: undefined }),
      ];
    case 'stall':
    case 'slowCpu':
    case 'lie':
    case 'seedersLeave':
      return [{ kind: 'fault', atMs, fault }];
  }
}
