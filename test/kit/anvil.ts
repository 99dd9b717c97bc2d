import { afterAll, beforeAll } from 'vitest';
import { type Anvil, type AnvilOptions, startAnvil } from './anvil-node.ts';

/** Has an Anvil run while a file's (or a `describe`'s) tests do. The function it gives is to be called inside a test. */
export function useAnvil(options: AnvilOptions = {}): () => Anvil {
  let anvil: Anvil | undefined;
  beforeAll(async () => {
    anvil = await startAnvil(options);
  });
  afterAll(async () => {
    await anvil?.stop();
  });
  return () => {
    if (anvil === undefined) throw new Error('Anvil runs only while tests do');
    return anvil;
  };
}
