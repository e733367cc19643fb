import { markup, trustedMarkup } from './markup.ts';
import type { Markup } from './markup.ts';
import { CHART_STYLE } from './chart-style.ts';
import { textWidthPx, wrapText } from './text.ts';

/** A chart can be drawn at any width: the page has a wide and a narrow one of each, so that text keeps its size on a telephone. */
export interface Chart {
  /** Its file is so named, `.svg` added: letters, digits, dashes. */
  readonly name: string;
  readonly title: string;
  /** What it shows, in a sentence or two: the caption, and what a screen reader says. */
  readonly caption: string;
  /** `ids` precedes each id, so that two drawings in one page keep apart. */
  draw(widthPx: number, ids: string): Drawing;
}

export interface Drawing {
  readonly heightPx: number;
  readonly content: Markup;
}

export const WIDE_PX = 920;
export const NARROW_PX = 336;

const HEADING_PX = 16;
const LINE_PX = 17;
const MARGIN_PX = 16;

/** As a part of a page, which has the style and says title and caption itself. */
export function inlineSvg(chart: Chart, widthPx: number, className: string): Markup {
  const ids = `${chart.name}-${className}`;
  const { heightPx, content } = chart.draw(widthPx, ids);
  return markup`<svg class="chart ${className}" role="img" aria-labelledby="${ids}-title ${ids}-desc" viewBox="0 0 ${widthPx} ${Math.ceil(heightPx)}"><title id="${ids}-title">${chart.title}</title><desc id="${ids}-desc">${chart.caption}</desc>${content}</svg>`;
}

/** As a file of its own: paper, style, title and caption are in it. */
export function standaloneSvg(chart: Chart): string {
  const titleLines = wrapText(chart.title, WIDE_PX, HEADING_PX);
  const captionLines = wrapText(chart.caption, WIDE_PX);
  const captionY = MARGIN_PX + titleLines.length * (HEADING_PX + 6);
  const drawingY = captionY + captionLines.length * LINE_PX + 10;
  const { heightPx, content } = chart.draw(WIDE_PX, chart.name);
  const width = WIDE_PX + 2 * MARGIN_PX;
  const height = Math.ceil(drawingY + heightPx + MARGIN_PX);
  const { markup: text } =
    markup`<svg xmlns="http://www.w3.org/2000/svg" class="chart" role="img" aria-labelledby="title desc" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">
<title id="title">${chart.title}</title><desc id="desc">${chart.caption}</desc>
<style>${trustedMarkup(CHART_STYLE)}</style>
<rect class="paper" width="${width}" height="${height}"/>
${titleLines.map((line, index) => markup`<text class="heading" x="${MARGIN_PX}" y="${MARGIN_PX + HEADING_PX - 2 + index * (HEADING_PX + 6)}">${line}</text>`)}
${captionLines.map((line, index) => markup`<text class="muted" x="${MARGIN_PX}" y="${captionY + 13 + index * LINE_PX}">${line}</text>`)}
<g transform="translate(${MARGIN_PX} ${drawingY})">${content}</g>
</svg>
`;
  return text;
}

export interface LegendItem {
  /** Drawn into a box of 30 × 12 whose upper left corner is at 0, 0. */
  readonly sample: Markup;
  readonly text: string;
}

/** As many items to a line as there is room for. */
export function drawLegend(items: readonly LegendItem[], widthPx: number, y: number): Drawing {
  const drawn: Markup[] = [];
  let x = 0;
  let lineY = y;
  for (const { sample, text } of items) {
    const lines = wrapText(text, widthPx - 36);
    const itemPx = 36 + Math.max(...lines.map((line) => textWidthPx(line))) + 18;
    if (x > 0 && x + itemPx - 18 > widthPx) {
      x = 0;
      lineY += 20;
    }
    drawn.push(
      markup`<g transform="translate(${round(x)} ${lineY})">${sample}${lines.map(
        (line, index) => markup`<text x="36" y="${10 + index * 15}">${line}</text>`,
      )}</g>`,
    );
    lineY += (lines.length - 1) * 15;
    x += itemPx;
  }
  return { heightPx: items.length === 0 ? 0 : lineY - y + 20, content: markup`${drawn}` };
}

/** Pixels to a tenth: more digits only make files larger. */
export function round(px: number): number {
  return Math.round(px * 10) / 10;
}
