import { markup } from '../drawing/markup.ts';
import type { Markup } from '../drawing/markup.ts';

/** A table that is wider than the page scrolls in a box of its own, by keyboard as well. */
export function scrollBox(name: string, table: Markup): Markup {
  return markup`<div class="scroll" role="region" tabindex="0" aria-label="${name}">${table}</div>`;
}
