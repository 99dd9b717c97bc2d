/** Errors nest at most this deep: a library's wrapper around an error of Node.js. */
const CAUSES_MAX = 4;

/** The parts of a Node.js system error that name the server that was to be connected to. */
type SystemError = {
  readonly code?: unknown;
  readonly address?: unknown;
  readonly port?: unknown;
  readonly hostname?: unknown;
  readonly cause?: unknown;
  readonly errors?: readonly unknown[];
};

/**
 * Returns why no connection could be made and what to do about it, in one line without secrets. Undefined for any other error.
 *
 * @param server the server that should listen there, as in `PostgreSQL`
 */
export function explainConnectionFailure(error: unknown, server: string): string | undefined {
  let current = error;
  for (let depth = 0; depth < CAUSES_MAX && typeof current === 'object' && current !== null; depth++) {
    const one: SystemError = current;
    // Node.js tries every address of a host, and reports all of them together.
    const [first = one] = (one.errors ?? []) as readonly SystemError[];
    const explained = explainSystemError(first, server);
    if (explained !== undefined) return explained;
    current = one.cause;
  }
  return undefined;
}

function explainSystemError({ code, address, port, hostname }: SystemError, server: string): string | undefined {
  const place = port === undefined ? String(address) : `${address}:${port}`;
  switch (code) {
    case 'ECONNREFUSED':
      return `nothing listens on ${place}; start ${server} there, or correct the URL`;
    case 'ENOENT':
      // A Unix socket; a missing file has no address.
      return address === undefined
        ? undefined
        : `nothing listens on ${place}; start ${server} there, or correct the URL`;
    case 'ENOTFOUND':
      return `there is no host ${hostname}; correct the URL`;
    case 'EAI_AGAIN':
      return `the host ${hostname} cannot be looked up; check the URL and the name server`;
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
    case 'ETIMEDOUT':
      return address === undefined
        ? undefined
        : `${place} cannot be reached; check host and port of the URL, and firewalls in between`;
    default:
      return undefined;
  }
}
