/** Takes everything secret out of a text. */
export type Redact = (text: string) => string;

const MARK = '[redacted]';

/** A part of a known URL that is at least this long is taken for a key, and scrubbed wherever it stands alone (characters). */
const KEY_LENGTH_MIN = 16;

/** Any URL of a kind that carries credentials: scheme, user and password, host and port, the rest. */
const CREDENTIAL_URL =
  /\b(https?|wss?|postgres(?:ql)?|rediss?):\/\/(?:[^\s"'\\/@]*@)?([^\s"'\\/?#,;()<>]*)([^\s"'\\,;()<>]*)/gi;

/**
 * Makes the function that every line passes before it leaves the process.
 *
 * Of any URL only scheme and host stay, because providers put keys into user names, paths and queries alike; keys of the
 * known URLs are scrubbed even where they stand outside a URL.
 *
 * @param secretUrls the configured URLs: database, queue, endpoints
 */
export function createRedact(secretUrls: readonly string[]): Redact {
  const keys = [...new Set(secretUrls.flatMap(keysOf))].sort((a, b) => b.length - a.length);
  return (text) => {
    let scrubbed = text.replace(CREDENTIAL_URL, (_, scheme: string, host: string, rest: string) =>
      rest === '' || rest === '/' ? `${scheme}://${host}` : `${scheme}://${host}/${MARK}`,
    );
    for (const key of keys) scrubbed = scrubbed.replaceAll(key, MARK);
    return scrubbed;
  };
}

function keysOf(secretUrl: string): readonly string[] {
  if (!URL.canParse(secretUrl)) return [];
  const url = new URL(secretUrl);
  const parts = [url.username, url.password, ...url.pathname.split('/'), ...url.searchParams.values()];
  const long = parts.filter((part) => part.length >= KEY_LENGTH_MIN);
  return long.flatMap((part) => [part, decoded(part)]);
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
