/** A piece of HTML or SVG that is safe to put into a page as it is. */
export interface Markup {
  readonly markup: string;
}

export type Insert = string | number | Markup | undefined | readonly Insert[];

/**
 * A template for HTML and SVG alike. What is inserted is escaped unless it is markup itself: names, failures and notes of a record come from
 * processes and files, and none of them can end a tag, an attribute or the document.
 */
export function markup(strings: TemplateStringsArray, ...inserts: readonly Insert[]): Markup {
  let text = strings[0] ?? '';
  for (const [index, insert] of inserts.entries()) text += `${inserted(insert)}${strings[index + 1] ?? ''}`;
  return { markup: text };
}

/** For constants of our own, as a style sheet. Never for what a record says. */
export function trustedMarkup(text: string): Markup {
  return { markup: text };
}

function inserted(insert: Insert): string {
  if (insert === undefined) return '';
  if (typeof insert === 'number') return String(insert);
  if (typeof insert === 'string') return escapeMarkup(insert);
  if ('markup' in insert) return insert.markup;
  return insert.map(inserted).join('');
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

// XML knows no way to write these, not even as entities: one of them makes the whole .svg unreadable.
// oxlint-disable-next-line no-control-regex
const UNWRITABLE = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g;

function escapeMarkup(text: string): string {
  return text
    .toWellFormed()
    .replace(UNWRITABLE, '\ufffd')
    .replace(/[&<>"']/g, (character) => ENTITIES[character] ?? '');
}
