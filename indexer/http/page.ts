import { readFile } from 'node:fs/promises';
import type { FastifyInstance } from 'fastify';

/**
 * The folder of the page's files. This relative path is valid both in a checkout and in the package, where bundled modules are in `chunks`,
 * a folder beside `http`.
 */
const FOLDER = new URL('../http/page/', import.meta.url);
const FILES = [
  { path: '/', file: 'index.html', type: 'text/html; charset=utf-8' },
  ...['page', 'parts'].map((name) => ({ path: `/${name}.css`, file: `${name}.css`, type: 'text/css; charset=utf-8' })),
  ...['page', 'verdict', 'chains', 'strip', 'contracts', 'dom'].map((name) => ({
    path: `/${name}.js`,
    file: `${name}.js`,
    type: 'text/javascript; charset=utf-8',
  })),
];
/** The page loads nothing from other hosts, runs no inline script, and may not be shown inside another page. */
const CONTENT_SECURITY_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; frame-ancestors 'none'";

/** Serves the status page at `/`. */
export async function servePage(app: FastifyInstance): Promise<void> {
  for (const { path, file, type } of FILES) {
    const content = await readFile(new URL(file, FOLDER));
    app.get(path, (_, reply) =>
      reply
        .type(type)
        .header('cache-control', 'no-cache')
        .header('content-security-policy', CONTENT_SECURITY_POLICY)
        .header('x-content-type-options', 'nosniff')
        .send(content),
    );
  }
}
