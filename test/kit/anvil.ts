import { afterAll, beforeAll } from 'vitest';
import { type Anvil, type AnvilOptions, startAnvil } from './anvil-node.ts';

/** Runs Anvil during the tests of a file or a `describe`. Returns a function that returns the node inside a test. */
export function useAnvil(options: AnvilOptions = {}): () => Anvil {
  let anvil: Anvil | undefined;
  beforeAll(async () => {
    anvil = await startAnvil(options);
  });
  afterAll(async () => {
    await anvil?.stop();
  });
  return () => {
    if (anvil === undefined) throw new Error('Anvil runs only during tests');
    return anvil;
  };
}
