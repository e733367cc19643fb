/** `1/32` or `0.25`, above 0; undefined if the text is neither. */
export function parseScale(text: string): number | undefined {
  const [, over, under = '1'] = /^(\d+(?:\.\d+)?)(?:\/(\d+(?:\.\d+)?))?$/.exec(text.trim()) ?? [];
  const scale = Number(over) / Number(under);
  return scale > 0 && scale < Infinity ? scale : undefined;
}
