import { Argument, type Command } from 'commander';
import type { Config } from '../config/resolve.ts';
import { kindName } from '../kernel/chain.ts';
import { IndexerError, UsageError } from '../kernel/errors.ts';
import type { Added, ContractSpec } from '../registry/add.ts';
import type { NamedContract } from '../registry/import.ts';
import { address, blockNumber, chainOf, configuredChain, positiveNumber } from './arguments.ts';
import { warnOfUnfitContracts } from './check-contracts.ts';
import { type GlobalOptions, type Io, printResult } from './io.ts';
import { openSource } from './open-source.ts';
import { type Session, withSession } from './session.ts';

type Given = {
  chain?: number;
  fromBlock?: number;
  masterId?: string;
  masterContract?: string;
  artistId?: string;
  type?: string;
};

/** `indexer contracts add KIND ADDR`: registers a contract to follow. */
export function addAdd(contracts: Command, io: Io): void {
  contracts
    .command('add')
    .description('follow a contract; running daemons are notified. It is safe to repeat')
    .addArgument(new Argument('<kind>', 'the kind of contract').choices(['master', 'dividend', 'artist-token', 'pool']))
    .argument('<address>', 'the contract', address)
    .option('--chain <id>', 'its chain (default: the only one that is configured)', positiveNumber)
    .option(
      '--from-block <n>',
      'the first block of its history (default: the deployment block, read from the chain)',
      blockNumber,
    )
    .option('--master-id <uuid>', 'for a master: the id of its row in `masters`')
    .option('--master-contract <address>', 'dividend: the registered master contract whose holders it pays')
    .option('--artist-id <uuid>', 'for an artist token: the id of its row in `artists`')
    .option('--type <type>', 'pool: its type, such as uniswap_v2 or sushiswap (default: read from the chain)')
    .addHelpText(
      'after',
      `
If you do not name the row that a contract belongs to, placeholder rows are created for it: a user, an artist and a master.
The tokens of a pool are read from the chain (RPC_URL_<chainId>). One of them must be a registered artist token.

Examples:
  indexer contracts add master 0x5e… --chain 8453 --from-block 21000000
  indexer contracts add dividend 0xd1… --chain 8453 --from-block 21000000 --master-contract 0x5e…
  indexer contracts add artist-token 0xa7… --chain 8453 --from-block 21000000
  indexer contracts add pool 0x90… --chain 8453 --from-block 21000000 --type uniswap_v2`,
    )
    .action(async (kind: string, contract: string, given: Given, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      const prepare = async (config: Config) => {
        const { nameContract } = await import('../registry/import.ts');
        const { chain, ...details } = given;
        const named = nameContract({ kind, address: contract, chainId: chainOf(chain, config), ...details });
        if ('faults' in named) throw new UsageError(named.faults.join('\n'));
        if (readsPool(named.contract)) configuredChain(named.contract.chainId, config);
        return named.contract;
      };
      await withSession(io, options, { prepare }, async (session) => {
        const { database, prepared: named } = session;
        const { addContracts } = await import('../registry/add.ts');
        const added = await addContracts(database, [await specOf(io, session, named)]);
        const [warning] = await warnOfUnfitContracts(io, session, [named]);
        const lines = added.map((one) => lineOf(one, named.chainId));
        printResult(io, options, { contracts: added, ...(warning !== undefined && { warning }) }, lines);
      });
    });
}

/** Describes in one line the outcome of adding a contract. */
function lineOf({ kind, address: contract, outcome }: Added, chainId: number): string {
  const verb = { added: 'added', restored: 'restored', unchanged: 'already followed:' }[outcome];
  return `${verb} ${kindName(kind)} ${contract} on chain ${chainId}`;
}

/** Returns whether the tokens or the type of a pool have to be read from the chain. */
export function readsPool({ kind, type, token0, token1 }: NamedContract): boolean {
  return kind === 'pool' && (type === undefined || token0 === undefined || token1 === undefined);
}

/** Completes the description of a contract. Reads the type and the tokens of a pool from the chain unless all of them are given. */
export async function specOf(io: Io, session: Session<unknown>, named: NamedContract): Promise<ContractSpec> {
  const { chainId, address: contract, fromBlock } = named;
  switch (named.kind) {
    case 'master':
      return { kind: 'master', chainId, address: contract, fromBlock, masterId: named.masterId };
    case 'dividend':
      return { kind: 'dividend', chainId, address: contract, fromBlock, masterContract: named.masterContract };
    case 'artist_token':
      return { kind: 'artist_token', chainId, address: contract, fromBlock, artistId: named.artistId };
    case 'pool':
      return { kind: 'pool', chainId, address: contract, fromBlock, ...(await poolOf(io, session, named)) };
  }
}

async function poolOf(io: Io, session: Session<unknown>, named: NamedContract) {
  const { chainId, address: pool, type, token0, token1 } = named;
  if (type !== undefined && token0 !== undefined && token1 !== undefined) return { type, token0, token1 };
  const chain = configuredChain(chainId, session.config);
  const [{ chainReaderOver }, { readPool }] = await Promise.all([
    import('../protocols/shared/chain-reader.ts'),
    import('../protocols/shared/metadata.ts'),
  ]);
  const source = await openSource(chain, session, io.runtime);
  try {
    const read = await readPool(chainReaderOver(source), pool, io.signal);
    if (read === undefined)
      throw new IndexerError(`${pool} does not answer token0() and token1(): it is not a pool of chain ${chainId}`);
    const answered = read.family === 'v3' ? 'uniswap_v3' : 'uniswap_v2';
    return { type: type ?? answered, token0: read.token0, token1: read.token1 } as const;
  } finally {
    await source.close();
  }
}
