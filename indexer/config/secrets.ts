import type { RpcEndpoint } from './define.ts';
import type { Environment } from './option-reader.ts';
import type { ChainConfig, Config, ProxySettings } from './resolve.ts';

/** The URLs and other texts of a configuration that must not appear in logs and messages. */
export type ConfigSecrets = { readonly urls: readonly string[]; readonly values: readonly string[] };

const SECRET_VARIABLE =
  /^(?:RPC_URL_.*|.*_RPC_URL|(?:AUDIFI_)?DATABASE_(?:DIRECT_|REPLICA_)?URL|QUEUE_URL|(?:AUDIFI_)?REDIS_URL|HTTPS?_PROXY)$/i;

/** Returns the secrets of the environment, for messages that are printed before the configuration file is read. */
export function secretsOfEnvironment(env: Environment): ConfigSecrets {
  const urls = Object.entries(env).flatMap(([name, value = '']) =>
    SECRET_VARIABLE.test(name) ? value.split(',').map((url) => url.trim()) : [],
  );
  return { urls, values: [env.HTTP_TOKEN ?? []].flat() };
}

/** Returns the secrets of a whole configuration. */
export function secretsOf(config: Config): ConfigSecrets {
  const chains = config.chains.map(secretsOfChain);
  const redis = [config.queueRedis?.options?.password, config.queueRedis?.options?.sentinelPassword];
  return {
    urls: [
      config.databaseUrl,
      config.databaseDirectUrl ?? '',
      config.queueUrl,
      config.otlpEndpoint ?? '',
      ...chains.flatMap(({ urls }) => urls),
    ],
    values: [
      ...[...redis, config.http.token].flatMap((secret) => secret ?? []),
      ...chains.flatMap(({ values }) => values),
    ],
  };
}

function secretsOfChain({ rpcUrls, proxy }: ChainConfig): ConfigSecrets {
  const endpoints = rpcUrls.map(secretsOfEndpoint);
  return {
    urls: [...secretsOfProxy(proxy), ...endpoints.flatMap(({ urls }) => urls)],
    values: endpoints.flatMap(({ values }) => values),
  };
}

/** Returns the URLs of proxies, which may contain a user and a password. */
export function secretsOfProxy(proxy: ProxySettings | undefined): readonly string[] {
  return [proxy?.httpProxy, proxy?.httpsProxy].flatMap((url) => url ?? []);
}

/**
 * Returns the secrets of one endpoint: its URL and its header values. For a viem transport, returns only those that its attributes
 * expose.
 */
export function secretsOfEndpoint(endpoint: RpcEndpoint): ConfigSecrets {
  if (typeof endpoint === 'string') return { urls: [endpoint], values: [] };
  if (typeof endpoint === 'object') return { urls: [endpoint.url], values: Object.values(endpoint.headers ?? {}) };
  return secretsOfTransport(endpoint({ retryCount: 0 }).value);
}

/** Returns the secrets in the attributes of a constructed viem transport, including those inside a `fallback`. */
export function secretsOfTransport(attributes: unknown): ConfigSecrets {
  const { url, fetchOptions, transports } = (attributes ?? {}) as {
    readonly url?: unknown;
    readonly fetchOptions?: { readonly headers?: ConstructorParameters<typeof Headers>[0] };
    readonly transports?: readonly { readonly value?: unknown }[];
  };
  const inner = (transports ?? []).map(({ value }) => secretsOfTransport(value));
  return {
    urls: [...(typeof url === 'string' ? [url] : []), ...inner.flatMap(({ urls }) => urls)],
    values: [
      ...(fetchOptions?.headers === undefined ? [] : new Headers(fetchOptions.headers).values()),
      ...inner.flatMap(({ values }) => values),
    ],
  };
}
