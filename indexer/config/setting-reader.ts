import type { Transport } from 'viem';
import { messageOf } from '../kernel/errors.ts';
import type { RpcEndpoint } from './define.ts';

const RPC = ['http:', 'https:', 'ws:', 'wss:'];

/** Reads single values and collects faults. Returns `undefined` for a value that is missing or wrong. */
export class SettingReader {
  readonly #faults: string[];

  constructor(faults: string[]) {
    this.#faults = faults;
  }

  fault(place: string, what: string): void {
    this.#faults.push(`${place}: ${what}`);
  }

  object(value: unknown, place: string, known?: readonly string[]): Readonly<Record<string, unknown>> {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      this.#faults.push(`${place}: must be an object`);
      return {};
    }
    for (const key of Object.keys(value)) {
      if (known !== undefined && !known.includes(key)) {
        this.#faults.push(`${place}: unknown key '${key}'; the keys are ${known.join(', ')}`);
      }
    }
    return value as Readonly<Record<string, unknown>>;
  }

  chainId(id: string, place: string): boolean {
    const ok = /^[1-9][0-9]{0,15}$/.test(id) && Number.isSafeInteger(Number(id));
    if (!ok) this.#faults.push(`${place}: the chain id must be a positive decimal number, as in RPC_URL_1`);
    return ok;
  }

  text(value: unknown, place: string): string | undefined {
    if (value === undefined || (typeof value === 'string' && value !== '')) return value;
    this.#faults.push(`${place}: must be a string that is not empty`);
    return undefined;
  }

  integer(value: unknown, place: string, least: number, most: number): number | undefined {
    if (value === undefined) return undefined;
    const number = typeof value === 'string' && /^[0-9]+$/.test(value) ? Number(value) : value;
    if (typeof number === 'number' && Number.isInteger(number) && number >= least && number <= most) return number;
    this.#faults.push(`${place}: must be a whole number from ${least} to ${most}`);
    return undefined;
  }

  oneOf<const T extends string>(value: unknown, place: string, choices: readonly T[]): T | undefined {
    if (value === undefined || choices.includes(value as T)) return value as T | undefined;
    this.#faults.push(`${place}: must be one of ${choices.join(', ')}`);
    return undefined;
  }

  url(value: unknown, place: string, protocols: readonly string[]): string | undefined {
    if (value === undefined) return undefined;
    const url = typeof value === 'string' ? value.trim() : '';
    if (URL.canParse(url) && protocols.includes(new URL(url).protocol)) return url;
    this.#faults.push(`${place}: must be a URL that begins with ${protocols.map((p) => `${p}//`).join(' or ')}`);
    return undefined;
  }

  endpoints(value: unknown, place: string): readonly RpcEndpoint[] {
    if (!Array.isArray(value) || value.length === 0) {
      this.#faults.push(`${place}: must name at least one endpoint`);
      return [];
    }
    return value.flatMap(
      (endpoint, i) => this.#endpoint(endpoint, value.length === 1 ? place : `${place}, endpoint ${i + 1}`) ?? [],
    );
  }

  #endpoint(value: unknown, place: string): RpcEndpoint | undefined {
    if (typeof value === 'string') return this.url(value, place, RPC);
    if (typeof value === 'function') return this.#transport(value as Transport, place);
    if (typeof value !== 'object' || value === null) {
      this.fault(place, 'must be a URL, an object with url and headers, or a viem transport');
      return undefined;
    }
    const { url, headers } = this.object(value, place, ['url', 'headers']);
    const validUrl = this.url(url ?? '', `${place}.url`, RPC);
    if (validUrl === undefined || headers === undefined) return validUrl;
    const values = this.object(headers, `${place}.headers`);
    for (const [name, text] of Object.entries(values)) {
      if (!isHeader(name, text)) this.#faults.push(`${place}.headers.${name}: is not a valid HTTP header`);
    }
    return { url: validUrl, headers: values as Readonly<Record<string, string>> };
  }

  /** Constructs the transport once to find out whether viem accepts its options. It opens no connection. */
  #transport(transport: Transport, place: string): Transport | undefined {
    try {
      if (typeof transport({ retryCount: 0 }).request === 'function') return transport;
      this.#faults.push(`${place}: must be a URL, an object with url and headers, or a viem transport`);
    } catch (error) {
      this.#faults.push(`${place}: viem refuses this transport: ${messageOf(error).split('\n')[0]}`);
    }
    return undefined;
  }
}

function isHeader(name: string, value: unknown): boolean {
  try {
    return typeof value === 'string' && new Headers({ [name]: value }).has(name);
  } catch {
    return false;
  }
}
