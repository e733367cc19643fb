// Runs inside of the page under test, which is why it is plain JavaScript: what a reader could not read, or would have to scroll for.

/** Says where the document, an HTML page or an .svg on its own, is hard to read; every list is empty where nothing is. */
function inspectPage() {
  const root = document.documentElement;
  const charts = [...document.querySelectorAll('svg.chart')].filter(isShown);
  return {
    scrollsSideways: root.scrollWidth > root.clientWidth,
    charts: charts.map((chart) => ({
      name: chart.querySelector('title')?.textContent ?? '',
      description: chart.querySelector('desc')?.textContent ?? '',
      axisLabels: [...chart.querySelectorAll('.axis-label')].map(textOf),
    })),
    overlapping: charts.flatMap(overlapsOf),
    outside: charts.flatMap(outsideOf),
    smallest: Math.min(...charts.flatMap((chart) => textsOf(chart).map(sizeOnScreen))),
    faint: [
      ...[...document.querySelectorAll('body *')].filter((element) => ownText(element) && isShown(element)),
      ...charts.flatMap(textsOf),
    ].flatMap((element) => faintnessOf(element, 4.5)),
    faintShapes: charts.flatMap((chart) =>
      [
        ...chart.querySelectorAll(
          '.line, .fill:not(.area):not(.dot), .ring, .bound, .limit, .budget, .median, [class^="from-"]',
        ),
      ].flatMap((element) => faintnessOf(element, 3)),
    ),
  };
}

function isShown(element) {
  return element.getClientRects().length > 0 && getComputedStyle(element).visibility !== 'hidden';
}

function textsOf(chart) {
  return [...chart.querySelectorAll('text')];
}

function textOf(element) {
  return element.textContent ?? '';
}

function ownText(element) {
  if (element.closest('svg') !== null || element.closest('details:not([open])') !== null) return false;
  return [...element.childNodes].some(
    (node) => node.nodeType === Node.TEXT_NODE && (node.nodeValue ?? '').trim() !== '',
  );
}

// A line's box has some air above and below its letters: boxes may touch by so much.
const AIR_PX = 2;

function overlapsOf(chart) {
  const boxes = textsOf(chart).map((element) => ({ text: textOf(element), box: element.getBoundingClientRect() }));
  return boxes.flatMap(({ text, box }, index) =>
    boxes
      .slice(index + 1)
      .filter(
        ({ box: other }) =>
          Math.min(box.right, other.right) - Math.max(box.left, other.left) > 0 &&
          Math.min(box.bottom, other.bottom) - Math.max(box.top, other.top) > AIR_PX,
      )
      .map((other) => `${text} | ${other.text}`),
  );
}

function outsideOf(chart) {
  const paper = chart.getBoundingClientRect();
  return textsOf(chart)
    .filter((element) => {
      const box = element.getBoundingClientRect();
      return (
        box.left < paper.left - 1 ||
        box.right > paper.right + 1 ||
        box.top < paper.top - AIR_PX ||
        box.bottom > paper.bottom + AIR_PX
      );
    })
    .map(textOf);
}

function sizeOnScreen(element) {
  const scale = element.getScreenCTM()?.a ?? 1;
  return Number.parseFloat(getComputedStyle(element).fontSize) * scale;
}

function faintnessOf(element, least) {
  const style = getComputedStyle(element);
  const isShape = element.closest('svg') !== null;
  const stroke = style.stroke !== 'none' && style.fill === 'none' ? style.stroke : style.fill;
  const ratio = contrast(isShape ? stroke : style.color, backgroundOf(element));
  return ratio >= least
    ? []
    : [`${textOf(element).slice(0, 40)} <${element.getAttribute('class') ?? element.tagName}> ${ratio.toFixed(2)}`];
}

/** Of the nearest ancestor that has one; an .svg on its own has paper. */
function backgroundOf(element) {
  const paper = element.closest('svg')?.querySelector('.paper');
  if (paper) return getComputedStyle(paper).fill;
  for (let each = element; each !== null; each = each.parentElement) {
    const { backgroundColor } = getComputedStyle(each);
    if (!/^(transparent|rgba\(.*, 0\))$/.test(backgroundColor)) return backgroundColor;
  }
  return 'rgb(255, 255, 255)';
}

/** By WCAG 2.2, 1.4.3. */
function contrast(one, other) {
  const [lighter, darker] = [luminance(one), luminance(other)].sort((a, b) => b - a);
  return (lighter + 0.05) / (darker + 0.05);
}

function luminance(colour) {
  const [red, green, blue] = (colour.match(/[\d.]+/g) ?? []).map((part) => {
    const value = Number(part) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

// What evaluating this file results in.
inspectPage();
