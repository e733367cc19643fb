/** Rows under headings, columns padded; numbers (cells that start with a digit) stand right. */
export function textTable(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = headings.map((heading, column) =>
    Math.max(heading.length, ...rows.map((row) => (row[column] ?? '').length)),
  );
  const line = (cells: readonly string[], isHeading: boolean): string =>
    cells
      .map((cell, column) => {
        const width = widths[column] ?? 0;
        const isNumber = !isHeading && /^[\d.]+( ?[A-Za-z%/]+)?$/.test(cell);
        return isNumber ? cell.padStart(width) : cell.padEnd(width);
      })
      .join('  ')
      .trimEnd();
  return [line(headings, true), ...rows.map((row) => line(row, false))].join('\n');
}
