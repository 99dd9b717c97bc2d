import { type ClientRequest, Agent as HttpAgent, type IncomingMessage, request as requestHttp } from 'node:http';
import { Agent as HttpsAgent, request as requestHttps } from 'node:https';
import { urlToHttpOptions } from 'node:url';
import { createGunzip } from 'node:zlib';
import { answered, batchOutcomeOf, bodyOf, type HttpAnswer, httpOf, isOk, membersOf, outcomeOf } from './outcome.ts';
import type { Failure, SendOptions, Transport } from './transport.ts';

/** The answer to a request passed its bound. */
class TooLarge extends Error {}

/** The answer to a request has no end. */
class Cut extends Error {}

type Answer = HttpAnswer & { readonly statusText: string; readonly text: string };

/**
 * JSON-RPC over HTTP by Node's own client and connections that stay open: for requests as small as these the global `fetch`,
 * and viem's client over any `fetch`, cost more than all the rest. No retries, no redirects, a bound on the body, one abort
 * signal and one timeout a request.
 */
export function connectHttp(url: string, timeoutMs: number): Transport {
  const connections = connect(url, timeoutMs);
  let nextId = 1;

  async function exchange(
    body: string,
    options: SendOptions,
  ): Promise<{ readonly json: unknown; readonly http: HttpAnswer } | { readonly failure: Failure }> {
    try {
      const answer = await connections.post(body, options);
      return readAnswer(answer);
    } catch (error) {
      if (options.signal.aborted) return { failure: { how: 'aborted', text: '' } };
      return { failure: { how: howOf(error), text: reasonOf(error) } };
    }
  }

  return {
    async request(call, options) {
      const got = await exchange(bodyOf(call, nextId++), options);
      return 'failure' in got ? got : outcomeOf(got.json, got.http);
    },
    async batch(calls, options) {
      const id = nextId;
      nextId += calls.length;
      const got = await exchange(bodyOf(calls, id), options);
      return 'failure' in got ? got : batchOutcomeOf(got.json, id, calls.length, got.http);
    },
    close: () => connections.close(),
  };
}

/** The JSON of an answer with a good status; of another the error that it says, else its words. */
function readAnswer(
  answer: Answer,
): { readonly json: unknown; readonly http: HttpAnswer } | { readonly failure: Failure } {
  const { status, text, statusText } = answer;
  if (isOk(status)) return { json: parse(text), http: answer };
  try {
    const json: unknown = JSON.parse(text);
    const { error } = membersOf(Array.isArray(json) ? json[0] : json);
    if (error !== undefined && error !== null) return { failure: answered(error, answer) };
    return { failure: { how: 'answered', ...httpOf(answer), text: statusText } };
  } catch {
    return { failure: { how: 'answered', ...httpOf(answer), text: text || statusText } };
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    // What does not even begin as an answer is a page of a gateway.
    throw /^\s*[{[]/.test(text) ? new Cut('the answer is cut', { cause: error }) : error;
  }
}

function howOf(error: unknown): Failure['how'] {
  if (error instanceof TooLarge) return 'too-large';
  return error instanceof Cut ? 'cut' : 'broken';
}

function connect(url: string, timeoutMs: number) {
  const secure = url.startsWith('https:');
  const agent = secure ? new HttpsAgent({ keepAlive: true }) : new HttpAgent({ keepAlive: true });
  const send = secure ? requestHttps : requestHttp;
  const headers = { 'content-type': 'application/json', 'accept-encoding': 'gzip' };
  const target = { ...urlToHttpOptions(new URL(url)), agent, headers, method: 'POST' };

  function post(body: string, options: SendOptions, isRetry = false): Promise<Answer> {
    const { signal, maxBytes } = options;
    return new Promise<Answer>((resolve, reject) => {
      let late: Error | undefined;
      const stop = () => sent.destroy(new Error('told to stop'));
      const timer = setTimeout(() => {
        late = new Error('no answer in time');
        sent.destroy(late);
      }, timeoutMs);
      const end = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', stop);
      };
      const fail = (error: Error) => {
        end();
        reject(error);
      };
      const sent: ClientRequest = send(target, (answer) => {
        const done = (text: string) => {
          end();
          const { statusCode = 0, statusMessage = '', headers: received } = answer;
          const retryAfter = received['retry-after'] ?? null;
          resolve({ status: statusCode, statusText: statusMessage, retryAfter, text });
        };
        read(answer, maxBytes, done, (error) => {
          fail(late ?? error);
          sent.destroy();
        });
      });
      signal.addEventListener('abort', stop, { once: true });
      sent.on('error', (error) => {
        // The server closed an idle connection just as it was used: nothing was answered, so nothing is asked twice.
        const stale = sent.reusedSocket && (error as NodeJS.ErrnoException).code === 'ECONNRESET' && !signal.aborted;
        if (!stale || isRetry) return fail(error);
        end();
        post(body, options, true).then(resolve, reject);
      });
      sent.end(body);
    });
  }

  return { post, close: () => agent.destroy() };
}

function read(
  answer: IncomingMessage,
  maxBytes: number,
  done: (text: string) => void,
  fail: (error: Error) => void,
): void {
  const zipped = answer.headers['content-encoding'] === 'gzip';
  const body = zipped ? answer.pipe(createGunzip()) : answer;
  const chunks: Buffer[] = [];
  let bytes = 0;
  body.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    chunks.push(chunk);
    if (bytes > maxBytes) body.destroy(new TooLarge(`the answer is larger than ${maxBytes} bytes`));
  });
  body.once('end', () => done(Buffer.concat(chunks).toString()));
  let hasBegun = false;
  answer.once('data', () => {
    hasBegun = true;
  });
  const broke = (error: Error) =>
    fail(hasBegun && !(error instanceof TooLarge) ? new Cut('the answer is cut', { cause: error }) : error);
  body.once('error', broke);
  // What breaks the connection must also end the reading of what it fed.
  if (zipped) answer.once('error', broke);
}

/** The innermost reason, as `connect ECONNREFUSED …`. */
function reasonOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return reasonOf(error.errors[0]);
  return error instanceof Error ? error.message || error.name : String(error);
}
