import { createLinkPace } from '../../src/scheduler/link-pace.ts';
import type { LinkPace } from '../../src/scheduler/link-pace.ts';

/** A link on which so many pieces are always right. */
export function paceOf(window: number, slots: number = window): LinkPace {
  return Object.defineProperty(createLinkPace(), 'slots', { value: { slots, queue: 0, window } });
}
