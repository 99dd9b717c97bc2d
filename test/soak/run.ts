import { randomInt } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { soak } from './soak.ts';

const HELP = `Runs two daemons and a worker over a chain with traffic and reorgs, while their nodes fail and lie, they are killed and frozen, and
their database stops. Then compares the mirror with the chain. Exits 1 on any difference.

  npm run soak -- [--minutes M] [--seed S]

  --minutes M   how long the traffic and the troubles last; default 30
  --seed S      of the traffic and the troubles; default: random, and printed
`;
const PROGRAM = fileURLToPath(new URL('../../indexer/bin.ts', import.meta.url));
const SEED_BOUND = 2 ** 31;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: { minutes: { type: 'string', default: '30' }, seed: { type: 'string' }, help: { type: 'boolean' } },
  });
  const [minutes, seed] = [Number(values.minutes), Number(values.seed ?? randomInt(SEED_BOUND))];
  if (values.help || !(minutes > 0) || !Number.isSafeInteger(seed)) {
    process.stderr.write(HELP);
    return values.help ? 0 : 2;
  }
  const stopped = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => stopped.abort());
  const print = (line: string) => void process.stdout.write(`${line}\n`);
  const problems = await soak({ minutes, seed, program: PROGRAM, print }, stopped.signal);
  for (const problem of problems) print(problem);
  print(problems.length === 0 ? 'the mirror equals the chain' : `${problems.length} problems`);
  return problems.length === 0 ? 0 : 1;
}

process.exitCode = await main();
