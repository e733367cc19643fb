// Nobody can ask a font when the page is written: this is above the width of all usual sans-serif fonts, DejaVu's among them.
const WIDTH_PER_EM = 0.64;

export const FONT_PX = 12;

export function textWidthPx(text: string, fontPx: number = FONT_PX): number {
  return text.length * fontPx * WIDTH_PER_EM;
}

/** Lines of at most `widthPx`, broken at spaces; a word that is too long for a line is cut. */
export function wrapText(text: string, widthPx: number, fontPx: number = FONT_PX): readonly string[] {
  const most = Math.max(1, Math.floor(widthPx / (fontPx * WIDTH_PER_EM)));
  const lines: string[] = [];
  for (const word of text.split(/\s+/).filter((each) => each !== '')) {
    const last = lines.at(-1);
    const whole = shortened(word, most);
    if (last !== undefined && last.length + 1 + whole.length <= most) lines[lines.length - 1] = `${last} ${whole}`;
    else lines.push(whole);
  }
  return lines;
}

/** At most `most` characters. */
export function shortened(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, Math.max(0, most - 1))}…`;
}
