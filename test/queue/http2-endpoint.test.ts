import { constants } from 'node:http2';
import { expect, onTestFinished, test } from 'vitest';
import { busyBlocks } from '../kit/music.ts';
import { Program } from '../kit/program.ts';
import { createScene } from '../kit/scene.ts';
import { atHead } from '../kit/settled.ts';
import { CERTIFICATE_FILE, TlsServer } from '../kit/tls-server.ts';
import { until } from '../kit/until.ts';
import { longChain } from './scene.ts';

const BLOCKS = 600;

test('a daemon keeps following over HTTP/2 while the server breaks off streams and connections', async () => {
  const { chain, server: answers, db, env, settled } = await createScene({ chain: longChain(BLOCKS) });
  const server = await TlsServer.start(answers);
  onTestFinished(() => server.close());
  const overTls = { [`RPC_URL_${chain.chainId}`]: server.url, NODE_EXTRA_CA_CERTS: CERTIFICATE_FILE };
  const daemon = new Program(['start'], { ...env, ...overTls });
  await until('the daemon to be at the head', () => atHead(db, chain.chainId, chain.head.hash));

  for (let time = 1; time <= 3; time++) {
    server.interruptions.push(
      ({ stream }) => stream.close(constants.NGHTTP2_INTERNAL_ERROR),
      ({ stream }) => stream.session?.destroy(undefined, constants.NGHTTP2_ENHANCE_YOUR_CALM),
      (response, body) => {
        response.writeHead(200);
        response.write(body.slice(0, body.length / 2), () => response.stream.session?.socket.destroy());
      },
    );
    chain.append(...busyBlocks(time)(2));
    await until('the server to break off', () => server.interruptions.length === 0);
    await until('the head to move on', () => atHead(db, chain.chainId, chain.head.hash));
  }
  await settled();
  expect(new Set(server.versions)).toEqual(new Set(['2.0']));
  expect(server.connections).toBeGreaterThan(3);
  expect(daemon.isRunning).toBe(true);
  expect(await daemon.stop()).toBe(0);
});
