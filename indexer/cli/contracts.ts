import type { Command } from 'commander';
import type { Config } from '../config/resolve.ts';
import { kindName } from '../kernel/chain.ts';
import type { RegisteredContract } from '../registry/contracts.ts';
import { address, chainOf, positiveNumber } from './arguments.ts';
import { addAdd } from './contracts-add.ts';
import { addImport } from './contracts-import.ts';
import { addLinks } from './contracts-link.ts';
import { addSnapshotChoice } from './contracts-snapshots.ts';
import { addUpgrade } from './contracts-upgrade.ts';
import { type GlobalOptions, type Io, printResult, table } from './io.ts';
import { type Session, withSession } from './session.ts';

/** `indexer contracts`: its subcommands list and change the contracts to follow. */
export function addContracts(program: Command, io: Io): void {
  const contracts = program
    .command('contracts')
    .description('add, list, remove, upgrade, link or import the contracts to follow');
  addAdd(contracts, io);
  addList(contracts, io);
  addRemove(contracts, io);
  addUpgrade(contracts, io);
  addLinks(contracts, io);
  addSnapshotChoice(contracts, io);
  addImport(contracts, io);
}

function addList(contracts: Command, io: Io): void {
  contracts
    .command('list')
    .description('list the registered contracts, and up to which block each is complete')
    .option('--chain <id>', 'only the contracts of this chain', positiveNumber)
    .action(async ({ chain }: { chain?: number }, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      await withSession(io, options, {}, async ({ database }) => {
        const { loadContracts } = await import('../registry/contracts.ts');
        const { completeTo } = await import('../progress/contract-coverage.ts');
        const listed = [];
        for (const { chainId, head } of await knownChains(database)) {
          if (chain !== undefined && chainId !== chain) continue;
          for (const contract of (await loadContracts(database.kysely, chainId)).contracts) {
            listed.push({ ...contract, completeTo: completeTo(contract, head) });
          }
        }
        const rows = listed.map((contract) => [
          String(contract.chainId),
          kindName(contract.kind),
          contract.address,
          contract.status,
          contract.deployedAtBlock === null ? '?' : String(contract.deployedAtBlock),
          contract.completeTo === null ? '-' : String(contract.completeTo),
          contract.statusReason ?? contract.coverageNote ?? noteOf(contract),
        ]);
        const head = ['CHAIN', 'KIND', 'ADDRESS', 'STATUS', 'FROM BLOCK', 'COMPLETE TO', ''];
        printResult(io, options, { contracts: listed }, table([head, ...rows]));
      });
    });
}

/**
 * Returns why the deployment block of a contract is unknown, or in what way its answers or its code do not fit its kind. Empty if there
 * is nothing to note.
 */
function noteOf({ deployedAtBlock, deploymentNote, identityNote }: RegisteredContract): string {
  if (deployedAtBlock === null && deploymentNote !== null) return `deployment block unknown: ${deploymentNote}`;
  if (identityNote !== null) return identityNote;
  return deployedAtBlock === null ? 'deployment block not read yet; `indexer start` reads it' : '';
}

async function knownChains({ kysely }: Session['database']) {
  const rows = await kysely
    .selectFrom('indexer.contracts as contract')
    .leftJoin('indexer.chains as chain', 'chain.chain_id', 'contract.chain_id')
    .select(['contract.chain_id', 'chain.head_number'])
    .distinct()
    .orderBy('contract.chain_id')
    .execute();
  return rows.map((row) => ({
    chainId: Number(row.chain_id),
    head: row.head_number === null ? null : Number(row.head_number),
  }));
}

function addRemove(contracts: Command, io: Io): void {
  contracts
    .command('remove')
    .description('stop following a contract; its rows stay, correct up to the block at which it was removed')
    .argument('<address>', 'the contract', address)
    .option('--chain <id>', 'its chain (default: the only one that is configured)', positiveNumber)
    .option('--purge', 'also delete its facts and the state derived from them (the platform’s own rows stay)')
    .action(
      async (contract: ReturnType<typeof address>, given: { chain?: number; purge?: boolean }, command: Command) => {
        const options = command.optsWithGlobals<GlobalOptions>();
        const prepare = (config: Config) => chainOf(given.chain, config);
        await withSession(io, options, { prepare }, async ({ database, prepared: chainId }) => {
          const { removeContract } = await import('../registry/remove.ts');
          const removed = await removeContract(database, { chainId, address: contract, purge: given.purge === true });
          const lines = removed.map(({ kind, purgedRows }) => {
            const purged = given.purge ? `, ${purgedRows} rows deleted` : '';
            return `removed ${kindName(kind)} ${contract} of chain ${chainId}${purged}`;
          });
          printResult(
            io,
            options,
            { removed },
            lines.length > 0 ? lines : [`${contract} is not registered on chain ${chainId}`],
          );
        });
      },
    );
}
