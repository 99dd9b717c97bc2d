/** An EVM address in upper, lower or mixed case. */
export const ADDRESS = /^0x[0-9a-fA-F]{40}$/;

/** An EVM address in lower case. Its `source` is also a valid regular expression in PostgreSQL. */
export const LOWERCASE_ADDRESS = /^0x[0-9a-f]{40}$/;

/** The decimal id of an EVM chain. Its `source` is also a valid regular expression in PostgreSQL. */
export const EVM_CHAIN_ID = /^[1-9][0-9]{0,17}$/;

/** A UUID in upper, lower or mixed case. */
export const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** A non-negative integer of at most 15 digits, which a JavaScript number represents exactly. */
export const WHOLE_NUMBER = /^[0-9]{1,15}$/;
