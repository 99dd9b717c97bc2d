import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { onTestFinished } from 'vitest';
import { HANG_TIMEOUT_MS } from './until.ts';

const EXECUTABLE = '/usr/bin/chromium';
/** Lets the browser run as root and without a display, and disables the requests that it would send by itself. */
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** A page of the browser, with the problems that occurred in it. */
export type WatchedPage = {
  readonly page: Page;
  /** The messages of errors and warnings, including violations of the content security policy. */
  readonly complaints: readonly string[];
  /** The hosts that the page sent requests to. */
  readonly hosts: ReadonlySet<string>;
};

/**
 * Returns whether Debian's Chromium is installed.
 *
 * @throws if it is not installed and `CI=true`, where every test must run
 */
export async function hasChromium(): Promise<boolean> {
  const found = await promisify(execFile)(EXECUTABLE, ['--version']).then(
    () => true,
    () => false,
  );
  if (!found && process.env.CI === 'true') throw new Error('chromium is not installed');
  return found;
}

/** Starts Chromium with a new user data directory. */
export function startChromium(): Promise<Browser> {
  return chromium.launch({ executablePath: EXECUTABLE, args: FLAGS });
}

/** Opens an address in a page with its own storage. The page is closed when the test ends. */
export async function openPage(browser: Browser, url: string, options?: BrowserContextOptions): Promise<WatchedPage> {
  const context = await browser.newContext(options);
  onTestFinished(() => context.close());
  context.setDefaultTimeout(HANG_TIMEOUT_MS);
  const page = await context.newPage();
  const complaints: string[] = [];
  const hosts = new Set<string>();
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('request', (request) => {
    const { protocol, host } = new URL(request.url());
    if (protocol !== 'data:') hosts.add(host);
  });
  await page.goto(url);
  return { page, complaints, hosts };
}
