import { sleep } from '../../indexer/kernel/sleep.ts';
import type { PostgresServer } from '../kit/postgres-server.ts';
import type { Random } from '../kit/random.ts';
import { type FaultyNode, NODE_FAULTS } from './faulty-node.ts';
import type { SupervisedProcess } from './processes.ts';

/** The parts of the deployment that can be disturbed. */
export type Troubled = {
  readonly nodes: readonly [FaultyNode, ...FaultyNode[]];
  readonly processes: readonly [SupervisedProcess, ...SupervisedProcess[]];
  readonly postgres: PostgresServer;
};

/** How often each trouble occurred. */
export type Tally = Map<string, number>;

const PAUSE_MS = { least: 5_000, spread: 15_000 };
const LASTING_MS = { least: 2_000, spread: 18_000 };
/** One in this many disturbances of nodes affects all nodes. */
const ALL_NODES_ONCE_IN = 4;

/** Makes one trouble after another, with pauses between them, until the signal aborts. All troubles have ended when it returns. */
export async function makeTrouble(
  troubled: Troubled,
  random: Random,
  tally: Tally,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    await sleep(PAUSE_MS.least + random.below(PAUSE_MS.spread), signal);
    if (signal.aborted) return;
    const { name, begin, end } = drawTrouble(troubled, random);
    tally.set(name, (tally.get(name) ?? 0) + 1);
    await begin();
    try {
      await sleep(LASTING_MS.least + random.below(LASTING_MS.spread), signal);
    } finally {
      await end();
    }
  }
}

type Trouble = { readonly name: string; begin(): unknown; end(): unknown };

function drawTrouble({ nodes, processes, postgres }: Troubled, random: Random): Trouble {
  const process = random.pick(processes) as SupervisedProcess;
  const none = () => undefined;
  const troubles: readonly (() => Trouble)[] = [
    () => {
      const fault = random.pick(NODE_FAULTS);
      // If all nodes left out logs at the same time, comparing the nodes could not reveal it.
      const all = fault !== 'leaves logs out' && random.onceIn(ALL_NODES_ONCE_IN);
      const chosen = all ? nodes : [random.pick(nodes) as FaultyNode];
      return {
        name: `${all ? 'every node' : 'a node'} ${fault}`,
        begin: () => {
          for (const node of chosen) node.fault = fault;
        },
        end: () => {
          for (const node of chosen) node.heal();
        },
      };
    },
    () => ({ name: `SIGKILL to a ${process.name}`, begin: () => process.signal('SIGKILL'), end: none }),
    () => ({ name: `SIGTERM to a ${process.name}`, begin: () => process.signal('SIGTERM'), end: none }),
    () => ({
      name: `SIGSTOP to a ${process.name}`,
      begin: () => process.signal('SIGSTOP'),
      end: () => process.signal('SIGCONT'),
    }),
    () => ({ name: 'PostgreSQL stops', begin: () => postgres.pause(), end: () => postgres.resume() }),
  ];
  // Nodes fail more often than anything else.
  const weights = [0, 0, 0, 1, 2, 3, 4] as const;
  return (troubles[random.pick(weights) as number] as () => Trouble)();
}
