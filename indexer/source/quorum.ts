import type { BlockHeader } from '../kernel/chain.ts';
import { RpcError } from '../kernel/errors.ts';
import { sleep, within } from '../kernel/sleep.ts';
import type { Endpoint } from '../rpc/endpoint.ts';
import type { Pool } from '../rpc/pool.ts';
import { readHeader, readLatest } from './blocks.ts';

/** How long to wait for an endpoint before it counts as one that does not answer, and for an announced block until it is agreed on. */
const QUORUM_WAIT_MS = 2_000;
const AGAIN_MS = 100;

/**
 * Returns the function that reads the highest block of which enough endpoints have the same hash. Endpoints in quarantine do not count.
 * It throws `RpcError` `unavailable` if too few endpoints answer or agree; the message says how many.
 *
 * @param quorum how many endpoints must agree
 */
export function createQuorumReader(pool: Pool, quorum: number): (signal?: AbortSignal) => Promise<BlockHeader> {
  return async (signal) => {
    const all = pool.endpoints();
    const asked = all.filter(({ quarantine }) => !quarantine.isActive());
    const heads = await askEach(asked, (endpoint) => readLatest(endpoint, signal), signal);
    const height = heads.map(({ number }) => number).sort((a, b) => b - a)[quorum - 1];
    if (height === undefined) {
      throw tooFew(`${heads.length} of ${all.length} endpoints give a head, and ${quorum} must agree`);
    }
    const read = async (endpoint: Endpoint) => {
      const head = heads.find((one) => one.endpoint === endpoint);
      if (head === undefined || head.number < height) return undefined;
      return head.number === height ? head.header : readHeader(endpoint, height, signal);
    };
    const headers = (await askEach(asked, read, signal)).map(({ header }) => header);
    const sides = [...Map.groupBy(headers, ({ hash }) => hash).values()].sort((a, b) => b.length - a.length);
    const [largest = []] = sides;
    if (largest.length >= quorum && largest[0] !== undefined) return largest[0];
    const counts = sides.map((side) => `${side[0]?.hash} at ${side.length}`).join(', ');
    throw tooFew(`block ${height} is ${counts} of ${all.length} endpoints, and ${quorum} must agree`);
  };
}

/** Reads the agreed head until it is as high as a block that one endpoint has announced, for a limited time. */
export async function readAgreed(
  head: (signal?: AbortSignal) => Promise<BlockHeader>,
  announced: number,
  signal: AbortSignal,
): Promise<BlockHeader> {
  for (let waitedMs = 0; ; waitedMs += AGAIN_MS) {
    const header = await head(signal);
    if (header.number >= announced || waitedMs >= QUORUM_WAIT_MS || signal.aborted) return header;
    await sleep(AGAIN_MS, signal);
  }
}

type Answer = { readonly endpoint: Endpoint; readonly number: number; readonly header: BlockHeader };

/** Asks all endpoints at the same time. Returns the blocks of those that give one in time. */
async function askEach(
  endpoints: readonly Endpoint[],
  read: (endpoint: Endpoint) => Promise<BlockHeader | undefined>,
  signal: AbortSignal | undefined,
): Promise<readonly Answer[]> {
  const answers = await Promise.all(
    endpoints.map(async (endpoint) => {
      const answering = read(endpoint).catch(() => undefined);
      const header = await within(QUORUM_WAIT_MS, answering, signal);
      return header === undefined ? [] : [{ endpoint, number: header.number, header }];
    }),
  );
  return answers.flat();
}

function tooFew(detail: string): RpcError {
  return new RpcError('unavailable', `no quorum for the head: ${detail}`);
}
