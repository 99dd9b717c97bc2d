/** Maximum number of nested errors to look through. A library may wrap an error of Node.js. */
const CAUSES_MAX = 4;

/** The members of a Node.js system error that say why a connection failed, and to which server. */
type SystemError = {
  readonly code?: unknown;
  readonly address?: unknown;
  readonly port?: unknown;
  readonly hostname?: unknown;
  readonly cause?: unknown;
  readonly errors?: readonly unknown[];
};

/**
 * Returns why no connection to a server could be made and what to do about it, in one line without secrets. Undefined if the error is
 * about anything but a failed connection.
 *
 * @param server the kind of server that should listen at the address, as in `PostgreSQL`
 */
export function explainConnectionFailure(error: unknown, server: string): string | undefined {
  let current = error;
  for (let depth = 0; depth < CAUSES_MAX && typeof current === 'object' && current !== null; depth++) {
    const one: SystemError = current;
    // Node.js tries every address of a host and reports all failures together. The first one is enough.
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
      // With an address, the error is about a Unix socket that does not exist. Without one, it is about a missing file.
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
