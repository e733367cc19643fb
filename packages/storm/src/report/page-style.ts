import { CHART_STYLE } from './drawing/chart-style.ts';
import { DARK, LIGHT } from './drawing/palette.ts';
import type { Theme } from './drawing/palette.ts';

/** Everything the page needs: nothing is loaded from anywhere. */
export const PAGE_STYLE: string = `
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif;font-variant-numeric:tabular-nums}
main{max-width:1180px;margin:0 auto;padding:20px 12px 48px;overflow-wrap:break-word}
@media (min-width:760px){main{padding:32px 20px 64px}}
h1{font-size:1.6rem;line-height:1.25;margin:0 0 .3em}
h2{font-size:1.2rem;line-height:1.3;margin:2.2em 0 .6em}
h3{font-size:1rem;margin:1.4em 0 .3em}
p,ul,ol,dl{margin:.5em 0}
.about{margin:0 0 1em}
.result{border-left:4px solid;padding:10px 14px;border-radius:3px}
.result p:first-child{font-size:1.12rem;font-weight:600;margin:0 0 .3em}
.result ul{margin:0;padding-left:1.2em}
.alarm{font-weight:600}
.facts{display:grid;grid-template-columns:repeat(auto-fill,minmax(9.5em,1fr));gap:10px 18px;margin:1.2em 0 0}
.facts dt{font-size:.8rem}
.facts .long{grid-column:span 2}
.facts dd{margin:0;font-weight:600}
.scroll{overflow-x:auto;margin:.8em 0}
table{border-collapse:collapse;min-width:min(100%,28em);font-size:.82rem;line-height:1.4}
caption{text-align:left;padding:0 0 8px;max-width:min(44em,calc(100vw - 28px));position:sticky;left:0}
p,ul,dl.glossary,figcaption,.result{max-width:920px}
th,td{padding:5px;text-align:right;white-space:nowrap;border-bottom:1px solid;vertical-align:baseline}
thead th{vertical-align:bottom;font-weight:600}
th:first-child{text-align:left;position:sticky;left:0;padding-left:2px}
.words{text-align:left}
.unit{display:block;font-weight:400}
.best{font-weight:700}
.off{display:block}
.simulated th,.simulated td{font-style:italic}
figure{margin:0 0 1.8em}
figcaption{margin:0 0 .8em;font-size:.9rem}
figcaption strong{display:block;font-size:1rem}
.chart{display:block;height:auto;overflow:visible}
.chart.wide{width:100%;max-width:920px}
.chart.narrow{width:100%;max-width:420px}
@media (min-width:760px){.chart.narrow{display:none}}
@media (max-width:759.9px){.chart.wide{display:none}}
details{margin:.6em 0}
summary{cursor:pointer}
.glossary dt{font-weight:600;margin-top:.5em}
.glossary dd{margin:0 0 0 1.2em}
code{font:.85rem/1.5 ui-monospace,"DejaVu Sans Mono",monospace;overflow-wrap:anywhere}
${colours(LIGHT)}
@media (prefers-color-scheme:dark){${colours(DARK)}}
@media print{${colours(LIGHT)}
main{max-width:none;padding:0}
.scroll{overflow:visible}
table{font-size:7.5pt}
th,td{padding:2px 3px}
th{white-space:normal}
th:first-child{position:static}
figure,tr,li{break-inside:avoid}
h2,h3,figcaption{break-after:avoid}
.chart.wide{display:block}
.chart.narrow{display:none}
}
${CHART_STYLE}`;

function colours(theme: Theme): string {
  return `
:root{color-scheme:${theme === LIGHT ? 'light' : 'dark'}}
body,th:first-child{background:${theme.background};color:${theme.ink}}
.result{background:${theme.raised};border-color:${theme.series[0]}}
th,td{border-color:${theme.grid}}
.facts dt,.unit,.off,figcaption,caption,.not-run td{color:${theme.muted}}
figcaption strong{color:${theme.ink}}
.alarm{color:${theme.alarm}}
code{background:${theme.raised}}
`;
}
