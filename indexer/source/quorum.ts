import type { BlockHeader } from '../kernel/chain.ts';
import { RpcError } from '../kernel/errors.ts';
import { sleep, within } from '../kernel/sleep.ts';
import type { Endpoint } from '../rpc/endpoint.ts';
import type { Pool } from '../rpc/pool.ts';
import { readHeader, readLatest } from './blocks.ts';

/** How long to wait for the answer of an endpoint, and for endpoints to agree on an announced block. */
const QUORUM_WAIT_MS = 2_000;
const AGAIN_MS = 100;

/** The header that an endpoint gives when it is asked for a block. */
type Answer = { readonly endpoint: Endpoint; readonly header: BlockHeader };

/** Asks endpoints at the same time. Returns their answers once all have answered or timed out, or as soon as `isEnough` holds. */
type AskEach = (
  endpoints: readonly Endpoint[],
  read: (endpoint: Endpoint) => Promise<BlockHeader | undefined>,
  isEnough: (answers: readonly Answer[]) => boolean,
  signal: AbortSignal | undefined,
) => Promise<readonly Answer[]>;

/**
 * Creates the function that reads the highest block on whose hash enough endpoints agree. An endpoint in quarantine counts only if an
 * endpoint outside of quarantine has the same block. Endpoints that are failing, have not answered an earlier request yet, or are in
 * quarantine are asked only if the others do not agree. The function throws `RpcError` `unavailable` if too few endpoints answer or agree;
 * the message says how many.
 *
 * @param quorum how many endpoints must agree
 */
export function createQuorumReader(pool: Pool, quorum: number): (signal?: AbortSignal) => Promise<BlockHeader> {
  const late = new Set<Endpoint>();
  const askEach = createAskEach(late);
  let highest = -1;

  async function agree(asked: readonly Endpoint[], total: number, signal: AbortSignal | undefined) {
    // A block that is no higher than the last agreed one may come from fast endpoints that are stuck, so wait for the others.
    const isNews = (answers: readonly Answer[]) => {
      const height = heightOf(answers, quorum);
      return height !== undefined && height > highest && agreedAt(answers, height, quorum) !== undefined;
    };
    const heads = await askEach(asked, (endpoint) => readLatest(endpoint, signal), isNews, signal);
    const height = heightOf(heads, quorum);
    if (height === undefined) {
      const count = heads.some(isTrusted) ? heads.length : 0;
      throw tooFew(`${count} of ${total} endpoints give a head, and ${quorum} must agree`);
    }
    const known = agreedAt(heads, height, quorum);
    if (known !== undefined) return known;
    const higher = heads.filter(({ header }) => header.number >= height);
    const read = async (endpoint: Endpoint) => {
      const header = higher.find((one) => one.endpoint === endpoint)?.header;
      return header?.number === height ? header : readHeader(endpoint, height, signal);
    };
    const isAgreed = (answers: readonly Answer[]) => agreedAt(answers, height, quorum) !== undefined;
    const endpoints = higher.map(({ endpoint }) => endpoint);
    const answers = await askEach(endpoints, read, isAgreed, signal);
    const agreed = agreedAt(answers, height, quorum);
    if (agreed !== undefined) return agreed;
    const counts = sidesOf(answers).map((side) => `${side[0]?.header.hash} at ${side.length}`);
    throw tooFew(`block ${height} is ${counts.join(', ')} of ${total} endpoints, and ${quorum} must agree`);
  }

  return async (signal) => {
    const all = pool.endpoints();
    const ready = all.filter((one) => !one.quarantine.isActive() && one.delayMs() === 0 && !late.has(one));
    const isChoice = ready.length >= quorum && ready.length < all.length;
    const ofReady = isChoice ? await agree(ready, all.length, signal).catch(unlessUnavailable) : undefined;
    const header = ofReady ?? (await agree(all, all.length, signal));
    highest = Math.max(highest, header.number);
    return header;
  };
}

/**
 * Reads the remote head on which endpoints agree, repeatedly, until it is at least as high as block `announced`, which one endpoint has
 * announced, or until `QUORUM_WAIT_MS` have passed. Throws if the last reading fails.
 */
export async function readAgreed(
  head: (signal?: AbortSignal) => Promise<BlockHeader>,
  announced: number,
  now: () => number,
  signal: AbortSignal,
): Promise<BlockHeader> {
  for (const startedAt = now(); ; await sleep(AGAIN_MS, signal)) {
    const isLast = () => now() - startedAt >= QUORUM_WAIT_MS || signal.aborted;
    const header = await head(signal).catch((error: unknown) => {
      if (isLast()) throw error;
      return unlessUnavailable(error);
    });
    if (header !== undefined && (header.number >= announced || isLast())) return header;
  }
}

/** Returns undefined for an `unavailable` error, because endpoints may answer or agree again soon. Throws any other error. */
export function unlessUnavailable(error: unknown): undefined {
  if (!(error instanceof RpcError) || error.kind !== 'unavailable') throw error;
}

/**
 * Returns the function that asks endpoints at the same time.
 *
 * @param late holds each endpoint that did not answer in time, until its request ends. This request is not aborted, so that the endpoint's
 *   health records whether it fails.
 */
function createAskEach(late: Set<Endpoint>): AskEach {
  return async (endpoints, read, isEnough, signal) => {
    const answers: Answer[] = [];
    const enough = Promise.withResolvers<void>();
    const asking = endpoints.map(async (endpoint) => {
      let isOpen = true;
      const answering = read(endpoint)
        .catch(() => undefined)
        .finally(() => {
          isOpen = false;
          late.delete(endpoint);
        });
      const header = await within(QUORUM_WAIT_MS, answering, signal);
      if (isOpen) late.add(endpoint);
      if (header !== undefined) answers.push({ endpoint, header });
      if (isEnough(answers)) enough.resolve();
    });
    await Promise.race([Promise.all(asking), enough.promise]);
    return [...answers];
  };
}

function isTrusted({ endpoint }: Answer): boolean {
  return !endpoint.quarantine.isActive();
}

/** Returns the highest block number that enough endpoints, one of them outside of quarantine, have reached. Undefined if there is none. */
function heightOf(heads: readonly Answer[], quorum: number): number | undefined {
  const heights = (answers: readonly Answer[]) => answers.map(({ header }) => header.number).sort((a, b) => b - a);
  const [reached, trusted] = [heights(heads)[quorum - 1], heights(heads.filter(isTrusted))[0]];
  return reached === undefined || trusted === undefined ? undefined : Math.min(reached, trusted);
}

/** Returns the block at a height that enough endpoints, one of them outside of quarantine, agree on. Undefined if there is none. */
function agreedAt(answers: readonly Answer[], height: number, quorum: number): BlockHeader | undefined {
  const sides = sidesOf(answers.filter(({ header }) => header.number === height));
  return sides.find((side) => side.length >= quorum && side.some(isTrusted))?.[0]?.header;
}

/** Groups answers by the hashes of their blocks, the largest group first. */
function sidesOf(answers: readonly Answer[]): Answer[][] {
  return [...Map.groupBy(answers, ({ header }) => header.hash).values()].sort((a, b) => b.length - a.length);
}

function tooFew(detail: string): RpcError {
  return new RpcError('unavailable', `no quorum for the head: ${detail}`);
}
