/** An event about an endpoint that an operator may want to see. It contains no secret. */
export type EndpointNotice = {
  readonly event:
    | 'endpoint failed'
    | 'endpoint recovered'
    | 'method failed'
    | 'method recovered'
    | 'endpoint refused'
    | 'range narrowed'
    | 'inconsistent response'
    | 'receipts unproved'
    | 'subscription lost'
    | 'subscribed';
  /** Host and index of the endpoint, as in `rpc.example.org#0`. */
  readonly endpoint: string;
  readonly detail: string;
};
