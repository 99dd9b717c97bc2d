/** An event about an endpoint that an operator may want to see. It contains no secret. */
export type EndpointNotice = {
  readonly event:
    | 'endpoint failed'
    | 'endpoint recovered'
    | 'endpoint unreliable'
    | 'endpoint quarantined'
    | 'endpoint restored'
    | 'method failed'
    | 'method recovered'
    | 'endpoint refused'
    | 'range narrowed'
    | 'inconsistent response'
    | 'receipts unproved'
    | 'subscription lost'
    | 'subscription silent'
    | 'subscribed';
  /** Host and index of the endpoint, as in `rpc.example.org#0`. */
  readonly endpoint: string;
  readonly detail: string;
};

const WARNINGS: ReadonlySet<EndpointNotice['event']> = new Set([
  'endpoint quarantined',
  'endpoint unreliable',
  'subscription silent',
]);

/** Returns the level at which a notice is logged. */
export function levelOf({ event }: EndpointNotice): 'info' | 'warn' {
  return WARNINGS.has(event) ? 'warn' : 'info';
}
