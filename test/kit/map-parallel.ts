const PARALLEL_READS = 32;

/** Does the same with every item, some at a time, and keeps the order. */
export async function mapParallel<T, R>(items: readonly T[], read: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (let start = 0; start < items.length; start += PARALLEL_READS) {
    results.push(...(await Promise.all(items.slice(start, start + PARALLEL_READS).map(read))));
  }
  return results;
}
