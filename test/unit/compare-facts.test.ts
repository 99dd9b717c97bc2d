import { expect, test } from 'vitest';
import { spanOf } from '../../indexer/ingest/compare-facts.ts';

test('a log of a million facts that is missing has a span like any other', () => {
  const differences = Array.from({ length: 1_000_000 }, (_, at) => ({ block: at % 2 === 0 ? 7 : 9 }));
  expect(spanOf(differences)).toEqual({ from: 7, to: 9 });
});
