import type { Row } from './fact-rows.ts';

/** A row of `revenue_events` that names a deposit. Lists of these rows have the order in which the platform wrote them. */
export type Revenue = {
  readonly id: string;
  readonly contractId: string;
  /** The hash in lower, upper or mixed case. */
  readonly transaction: string;
  /** In whole units of its currency. */
  readonly amount: string;
};

/** Returns a row for each deposit that belongs to a revenue row of the platform, from the rows of `dividend_events`. */
export function revenueLinkRows(events: readonly Row[], revenues: readonly Revenue[]): Row[] {
  const deposits = events.filter((row) => row.event_type === 'deposit');
  const groups = Map.groupBy(deposits, (row) => `${row.dividend_contract_id} ${row.tx_hash}`);
  return [...groups].flatMap(([key, own]) => {
    const rows = own.toSorted((a, b) => Number(BigInt(a.position ?? 0) - BigInt(b.position ?? 0)));
    const left = revenues.filter(({ contractId, transaction }) => `${contractId} ${transaction.toLowerCase()}` === key);
    if (rows.length === 1 && left.length === 1) return linkRow(rows[0], left[0]);
    // Amounts with 18 decimals are matched before amounts with 6.
    const links = new Map<Row, Revenue>();
    for (const decimals of [18n, 6n]) {
      for (const row of rows.filter((row) => !links.has(row))) {
        const at = left.findIndex(({ amount }) => isAmountOf(row, amount, decimals));
        const [revenue] = at === -1 ? [] : left.splice(at, 1);
        if (revenue !== undefined) links.set(row, revenue);
      }
    }
    return rows.flatMap((row) => linkRow(row, links.get(row)));
  });
}

/** Returns whether a deposit, rounded to the 8 decimals that the platform writes, equals `amount`. Only tokens can have 6 decimals. */
function isAmountOf(deposit: Row, amount: string, decimals: bigint): boolean {
  const unit = 10n ** decimals;
  const rounded = (BigInt(deposit.total_amount ?? 0) * 10n ** 8n + unit / 2n) / unit;
  const isNative = /^0x0+$/.test(deposit.currency ?? '');
  return (decimals === 18n || !isNative) && rounded === BigInt(amount) * 10n ** 8n;
}

function linkRow(deposit: Row | undefined, revenue: Revenue | undefined): Row[] {
  if (deposit === undefined || revenue === undefined) return [];
  const { contract = null, chain_id = null, position = null } = deposit;
  return [{ contract, chain_id, position, revenue_event_id: revenue.id }];
}
