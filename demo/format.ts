const DECIMALS = 10n ** 18n;
const CENTS = 10n ** 16n;
const ESCAPE = '\u001b[';
const ESCAPES = new RegExp(`\\${ESCAPE}[0-9;]*m`, 'y');

/** Formats an amount with 18 decimals: `1234567890000000000000` as `1,234.56`. Further decimals are cut off. */
export function coins(amount: string): string {
  const units = BigInt(amount.split('.')[0] ?? '0');
  const cents = (units < 0n ? -units : units) / CENTS;
  return `${units < 0n ? '-' : ''}${whole(cents / 100n)}.${String(cents % 100n).padStart(2, '0')}`;
}

/** Formats `1234` as `1,234`. */
export function whole(number: number | bigint): string {
  return number.toLocaleString('en-US');
}

/** Returns the price of one first coin in second coins, from the reserves of their pool. */
export function price(reserve0: string, reserve1: string): string {
  const [base, quote] = [BigInt(reserve0), BigInt(reserve1)];
  return base === 0n ? '–' : coins(String((quote * DECIMALS) / base));
}

/** Shortens an address to `0x7099…79c8`. */
export function shortAddress(address: string): string {
  return `${address.slice(0, 6)}…${address.slice(-4)}`;
}

/** Formats seconds as `01:05`. */
export function clock(seconds: number): string {
  const [minutes, rest] = [Math.floor(seconds / 60), Math.floor(seconds % 60)];
  return `${String(minutes).padStart(2, '0')}:${String(rest).padStart(2, '0')}`;
}

/** Draws the share of `part` in `all` as a bar of at most `width` characters. */
export function bar(part: string, all: string, width: number): string {
  const [share, total] = [BigInt(part), BigInt(all)];
  return total <= 0n || share <= 0n ? '' : '█'.repeat(Math.max(1, Number((share * BigInt(width)) / total)));
}

/** Draws values as one character each, whose height is relative to the largest. */
export function sparkline(values: readonly number[]): string {
  const steps = '▁▂▃▄▅▆▇█';
  const most = Math.max(1, ...values);
  return values.map((value) => steps[Math.min(steps.length - 1, Math.floor((value / most) * steps.length))]).join('');
}

/** Cuts a line to `columns` visible characters. Escape sequences for colours do not count and are kept. */
export function clip(line: string, columns: number): string {
  let [shown, room] = ['', columns];
  for (let at = 0; at < line.length; ) {
    ESCAPES.lastIndex = at;
    const colour = ESCAPES.exec(line)?.[0];
    if (colour === undefined && room <= 0) {
      at += 1;
      continue;
    }
    if (colour === undefined) room -= 1;
    shown += colour ?? line[at];
    at += colour?.length ?? 1;
  }
  return shown;
}

/** Formats rows as the lines of a table. The first column is aligned left, the others right. */
export function columns(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, index) => Math.max(...rows.map((row) => row[index]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, index) => (index === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[index] ?? 0)))
      .join('   '),
  );
}
