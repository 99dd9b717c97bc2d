/** As much of a `pg` pool or client as reading the database takes. */
export type Queryable = {
  query(
    text: string | { readonly name: string; readonly text: string; readonly values: unknown[] },
    values?: unknown[],
  ): Promise<{ rows: Record<string, unknown>[] }>;
};
