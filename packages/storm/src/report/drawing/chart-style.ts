import { DARK, LIGHT, SOURCE_NAMES } from './palette.ts';
import type { Theme } from './palette.ts';
import { FONT_PX } from './text.ts';

/**
 * The style of every chart: once in the page, and once in each .svg. Colours are written out instead of being variables, which many viewers
 * of SVG do not know.
 */
export const CHART_STYLE: string = `
.chart text{font:${FONT_PX}px system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif;font-variant-numeric:tabular-nums}
.chart .strong{font-weight:600}
.chart .heading{font-size:16px;font-weight:600}
.chart .line{fill:none;stroke-width:2;stroke-linejoin:round}
.chart .line.s0{stroke-width:3}
.chart .grid{stroke-width:1;fill:none}
.chart .bound{stroke-width:1.5;stroke-dasharray:6 3;fill:none}
.chart .limit{stroke-width:1.5;stroke-dasharray:2 2;fill:none}
.chart .budget{stroke-width:1.5;stroke-dasharray:9 3;fill:none}
.chart .area{stroke:none;fill-opacity:.22}
.chart .dot{fill-opacity:.6;stroke:none}
.chart .ring{fill:none;stroke-width:1.3}
.chart .median{stroke-width:2.5;fill:none}
.chart .hatch{stroke-width:1.2;fill:none}
${colours(LIGHT)}
@media (prefers-color-scheme:dark){${colours(DARK)}}
@media print{${colours(LIGHT)}}`;

function colours(theme: Theme): string {
  return `
.chart .paper{fill:${theme.background}}
.chart text{fill:${theme.ink}}
.chart text.muted{fill:${theme.muted}}
.chart text.alarm{fill:${theme.alarm}}
.chart .grid{stroke:${theme.grid}}
.chart .axis{stroke:${theme.muted};fill:none}
.chart .bound,.chart .median{stroke:${theme.bound}}
.chart .limit{stroke:${theme.alarm}}
.chart .budget{stroke:${theme.ink}}
.chart .hatch{stroke:${theme.background}}
${theme.series.map((colour, index) => `.chart .line.s${index},.chart .ring.s${index}{stroke:${colour}}.chart .fill.s${index}{fill:${colour}}`).join('\n')}
${SOURCE_NAMES.map((name) => `.chart .from-${name}{fill:${theme.sources[name]}}`).join('\n')}
`;
}
