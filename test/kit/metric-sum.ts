/** Returns the sum of the values of the metrics whose lines match. `lines` are those of `/metrics`. */
export function metricSum(lines: readonly string[], pattern: RegExp): number {
  return lines.filter((line) => pattern.test(line)).reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}
