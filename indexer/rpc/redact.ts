import { ConfigError } from '../kernel/errors.ts';

/** A provider's words are cut to this many characters before they go into a message. */
const TEXT_MAX_CHARS = 300;
const SCRUBBED_MAX_CHARS = 65_536;
/** Parts of a path shorter than this are names (`v3`, `rpc`, `mainnet`), not keys. */
const PATH_KEY_MIN_CHARS = 8;
const SHORT_SECRET_MIN_CHARS = 3;

/** What may be said about an endpoint whose URL holds a key. */
export type Redaction = {
  /** Host and index, as in `rpc.example.org#0`. */
  readonly name: string;
  /** Takes URLs and every key of this endpoint out of a text, and cuts it to a bounded length. */
  scrub(text: string): string;
};

/** Finds what is secret in an endpoint's URL: user and password, parts of the path, values of the query, labels of the host. */
export function createRedaction(url: string, index: number): Redaction {
  const parsed = parseUrl(url, index);
  const secrets = secretsOf(parsed);
  return {
    name: `${hostOf(parsed)}#${index}`,
    scrub(text) {
      // Cut generously first, so that a huge error body costs little, and last, so that no key is cut in half and kept.
      let clean = text.slice(0, SCRUBBED_MAX_CHARS).replace(/\b(?:https?|wss?):\/\/[^\s"'<>]+/gi, '<url>');
      for (const secret of secrets) clean = clean.replaceAll(secret, '***');
      clean = clean.replace(/\s+/g, ' ').trim();
      return clean.length > TEXT_MAX_CHARS ? `${clean.slice(0, TEXT_MAX_CHARS)}…` : clean;
    },
  };
}

function parseUrl(url: string, index: number): URL {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed === undefined || !/^(?:https?|wss?):$/.test(parsed.protocol)) {
    throw new ConfigError(`RPC endpoint #${index}: the URL must begin with http://, https://, ws:// or wss://`);
  }
  return parsed;
}

function hostOf(url: URL): string {
  const labels = url.hostname.split('.').map((label) => (isKey(label) ? '***' : label));
  return labels.join('.') + (url.port === '' ? '' : `:${url.port}`);
}

/** A label of the host that no one would choose as a name. */
function isKey(label: string): boolean {
  return label.length >= 20 && /^[0-9a-z_-]+$/i.test(label) && /\d/.test(label) && !label.includes('--');
}

/** Every spelling of every secret part, longest first, so that none is replaced inside another. */
function secretsOf(url: URL): readonly string[] {
  const parts = [
    ...url.pathname.split('/').filter((part) => part.length >= PATH_KEY_MIN_CHARS),
    ...[...url.searchParams.values(), url.username, url.password, url.hash.slice(1)].filter(
      (part) => part.length >= SHORT_SECRET_MIN_CHARS,
    ),
    ...url.hostname.split('.').filter(isKey),
  ];
  if (url.username !== '') parts.push(btoa(`${decode(url.username)}:${decode(url.password)}`));
  const spellings = parts.flatMap((part) => [part, decode(part), encodeURIComponent(decode(part)), part.toLowerCase()]);
  return [...new Set(spellings)].sort((a, b) => b.length - a.length);
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
