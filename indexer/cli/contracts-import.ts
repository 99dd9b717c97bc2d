import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import type { Config } from '../config/resolve.ts';
import { IndexerError, messageOf } from '../kernel/errors.ts';
import { configuredChain, positiveNumber } from './arguments.ts';
import { warnOfUnfitContracts } from './check-contracts.ts';
import { readsPool, specOf } from './contracts-add.ts';
import { type GlobalOptions, type Io, printResult } from './io.ts';
import { withSession } from './session.ts';

/** `indexer contracts import FILE`: registers the contracts that a file lists. */
export function addImport(contracts: Command, io: Io): void {
  contracts
    .command('import')
    .description('add all contracts of a file, or none if one of them is refused')
    .argument('<file>', 'a JSON array, or one JSON object per line; - is standard input')
    .option('--chain <id>', 'the chain of entries without a chainId', positiveNumber)
    .addHelpText(
      'after',
      `
Fields: kind, address, chainId, fromBlock, masterId, masterContract, artistId, type, token0, token1.

Example:
  {"kind":"master","address":"0x5e…","chainId":8453,"fromBlock":21000000}
  {"kind":"pool","address":"0x90…","chainId":8453,"fromBlock":21000000,"type":"uniswap_v2"}`,
    )
    .action(async (file: string, { chain }: { chain?: number }, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      const prepare = async (config: Config) => {
        const { parseContracts } = await import('../registry/import.ts');
        const only = config.chains.length === 1 ? config.chains[0]?.chainId : undefined;
        const named = parseContracts(await contentOf(file), chain ?? only);
        for (const contract of named.filter(readsPool)) configuredChain(contract.chainId, config);
        return named;
      };
      await withSession(io, options, { prepare }, async (session) => {
        const { database, prepared: named } = session;
        const { addContracts } = await import('../registry/add.ts');
        const specs = [];
        for (const contract of named) specs.push(await specOf(io, session, contract));
        const added = await addContracts(database, specs);
        const warnings = await warnOfUnfitContracts(io, session, named);
        const count = (outcome: string) => added.filter((one) => one.outcome === outcome).length;
        printResult(io, options, { contracts: added, ...(warnings.length > 0 && { warnings }) }, [
          `${count('added')} added, ${count('restored')} restored, ${count('unchanged')} already followed`,
        ]);
      });
    });
}

async function contentOf(file: string): Promise<string> {
  try {
    return await readFile(file === '-' ? '/dev/stdin' : file, 'utf8');
  } catch (error) {
    throw new IndexerError(`cannot read ${file}: ${messageOf(error)}`, { cause: error });
  }
}
