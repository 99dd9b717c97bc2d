/** Removes everything secret from a text. */
export type Redact = (text: string) => string;

/** The secrets that must not appear in texts. */
export type Secrets = {
  /** URLs of databases, queues, endpoints and proxies. Only the parts that carry credentials are secret. */
  readonly urls: readonly string[];
  /** Texts that are secret as a whole, such as the values of HTTP headers and passwords. */
  readonly values?: readonly string[];
};

const MARK = '[redacted]';

/** Minimum length of a secret in a place that only holds secrets: a password, a header value, `?apikey=`. */
const CREDENTIAL_MIN_CHARS = 3;
/** Minimum length of a secret in a place that may also hold an ordinary word: a path segment, `?network=`. */
const KEY_MIN_CHARS = 8;
/** Minimum length of a host label that is taken for a key. */
const HOST_KEY_MIN_CHARS = 20;

/** Matches any URL of a kind that carries credentials: scheme, user and password, host and port, the rest. */
const CREDENTIAL_URL =
  /\b(https?|wss?|postgres(?:ql)?|rediss?):\/\/(?:[^\s"'\\/@]*@)?([^\s"'\\/?#,;()<>]*)([^\s"'\\,;()<>]*)/gi;
/** Parameters of a database URL that are not secret, because they name a mode or a file. */
const PUBLIC_PARAMETER = /^ssl(?:mode|rootcert|cert|key|negotiation)$/;
const CREDENTIAL_PARAMETER = /key|token|secret|auth|pass|sig|jwt/i;

/**
 * Creates the function that removes secrets from every log line and every message about an endpoint.
 *
 * It shortens any URL to scheme and host, because providers put keys into user names, paths and queries alike. It also
 * removes the secrets of the given URLs wherever they appear outside of a URL. Which parts of a URL are secret:
 *
 * - at least 3 characters: passwords, user names of endpoints and proxies, and query values whose parameter is named like a
 *   credential (`apikey`, `token`, `sslpassword`);
 * - at least 8 characters: path segments of endpoints, fragments, and all other query values;
 * - host labels of at least 20 characters that contain a digit (`0a1b….quiknode.pro`).
 *
 * Shorter parts (`v3`, `rpc`, `mainnet`) are ordinary words, and removing them would make logs unreadable. The user and the
 * name of a database are kept for the same reason. A secret of fewer than 8 characters is removed only where it is a word of
 * its own, and not at all if it is a number, `true`, `false` or `null`, because log lines would no longer be JSON.
 */
export function createRedact({ urls, values = [] }: Secrets): Redact {
  const secrets = [...urls.flatMap(secretPartsOf), ...values.flatMap(secretPartsOfValue)];
  // Longest first, so that no secret is replaced inside a longer one.
  const spellings = [...new Set(secrets.flatMap(spellingsOf))].sort((a, b) => b.length - a.length).map(patternOf);
  return (text) => {
    let redacted = text.replace(CREDENTIAL_URL, (_, scheme: string, host: string, rest: string) =>
      rest === '' || rest === '/' ? `${scheme}://${host}` : `${scheme}://${host}/${MARK}`,
    );
    for (const spelling of spellings) redacted = redacted.replaceAll(spelling, MARK);
    return redacted;
  };
}

/** Shortens the addresses in a text to `0x1234…abcd`, because the log does not show the wallets of people in full. Hashes stay whole. */
export function shortenWallets(text: string): string {
  return text.replace(/\b(0x[0-9a-f]{4})[0-9a-f]{32}([0-9a-f]{4})\b/gi, '$1…$2');
}

/** Returns the host and port of an endpoint's URL, with `***` in place of labels that are keys. */
export function publicHostOf(url: string): string {
  const { hostname, port } = new URL(url);
  const labels = hostname.split('.').map((label) => (isHostKey(label) ? '***' : label));
  return labels.join('.') + (port === '' ? '' : `:${port}`);
}

function isHostKey(label: string): boolean {
  return (
    label.length >= HOST_KEY_MIN_CHARS && /^[0-9a-z_-]+$/i.test(label) && /\d/.test(label) && !label.includes('--')
  );
}

function secretPartsOf(text: string): readonly string[] {
  if (!URL.canParse(text)) return [];
  const { protocol, username, password, pathname, searchParams, hash, hostname } = new URL(text);
  const isEndpoint = /^(?:https?|wss?):$/.test(protocol);
  const credentials = isEndpoint ? [username, password] : [password];
  const keys = [hash.slice(1), ...(isEndpoint ? pathname.split('/') : [])];
  for (const [name, value] of searchParams) {
    if (!PUBLIC_PARAMETER.test(name)) (CREDENTIAL_PARAMETER.test(name) ? credentials : keys).push(value);
  }
  const parts = [
    ...credentials.filter(isCredential),
    ...keys.filter((part) => part.length >= KEY_MIN_CHARS),
    ...hostname.split('.').filter(isHostKey),
  ];
  if (username !== '') parts.push(toBase64(`${decode(username)}:${decode(password)}`));
  return parts;
}

/** Returns a secret value and its long words, because a provider may repeat only the key of `Bearer KEY`. */
function secretPartsOfValue(value: string): readonly string[] {
  const words = value.split(/[\s,;=]+/).filter((word) => word.length >= KEY_MIN_CHARS);
  return [value.trim(), ...words].filter(isCredential);
}

/** Returns the forms in which a secret may appear: encoded for a URL or not, in lower case, escaped inside JSON. */
function spellingsOf(secret: string): readonly string[] {
  const decoded = decode(secret);
  const forms = [secret, decoded, encodeURIComponent(decoded)];
  return [...forms, ...forms.map((form) => form.toLowerCase()), JSON.stringify(decoded).slice(1, -1)];
}

/** Returns the pattern to search for. A long secret matches anywhere, a short one only if no letter or digit is next to it. */
function patternOf(secret: string): string | RegExp {
  if (secret.length >= KEY_MIN_CHARS) return secret;
  return new RegExp(`(?<![0-9A-Za-z])${secret.replace(/[^0-9A-Za-z]/g, '\\$&')}(?![0-9A-Za-z])`, 'g');
}

/** Returns whether a text is long enough for a credential, and is not a short number or a literal of JSON. */
function isCredential(text: string): boolean {
  if (text.length < CREDENTIAL_MIN_CHARS) return false;
  return text.length >= KEY_MIN_CHARS || !/^(?:[\d.]+|true|false|null)$/i.test(text);
}

function toBase64(text: string): string {
  return Buffer.from(text).toString('base64');
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
