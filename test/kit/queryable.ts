/** The part of a `pg` pool or client that runs queries. */
export type Queryable = {
  query(
    text: string | { readonly name: string; readonly text: string; readonly values: unknown[] },
    values?: unknown[],
  ): Promise<{ rows: Record<string, unknown>[] }>;
};
