const numbers = new Intl.NumberFormat('en');
const compact = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });
const clock = new Intl.DateTimeFormat('en-GB', { timeStyle: 'medium' });
/** Units of time in seconds. */
const UNITS = [
  [86_400, 'd'],
  [3_600, 'h'],
  [60, 'min'],
  [1, 's'],
];
/** Names of chains. */
const NAMES = {
  1: 'Ethereum',
  10: 'OP Mainnet',
  137: 'Polygon',
  8453: 'Base',
  31337: 'Local chain',
  11155111: 'Sepolia',
};

/** Returns the element with an id. */
export const byId = (id) => document.getElementById(id);

/** Returns a number with its digits in groups, and a dash if it is unknown. */
export const count = (number) => (number === null || number === undefined ? '–' : numbers.format(number));

/** Returns a large number in few digits, such as `12.3M`. */
export const short = (number) => compact.format(number);

/** Returns a number with a noun, such as `1 block` or `2 blocks`. */
export const many = (number, noun) => `${count(number)} ${noun}${number === 1 ? '' : 's'}`;

/** Returns the time of day of a date. */
export const timeOfDay = (date) => clock.format(date);

/** Returns a duration in at most two units, such as `1 h 5 min`. */
export function duration(seconds) {
  let rest = Math.max(0, Math.round(seconds));
  const largest = UNITS.findIndex(([size]) => rest >= size);
  const parts = UNITS.slice(largest, largest + 2).map(([size, unit]) => {
    const amount = Math.floor(rest / size);
    rest -= amount * size;
    return [amount, unit];
  });
  const shown = parts.filter(([amount]) => amount > 0);
  return shown.length === 0 ? '0 s' : shown.map((part) => part.join(' ')).join(' ');
}

/** Returns the first and last digits of a hash. */
export const shortHash = (hash) => `${hash.slice(0, 6)}…${hash.slice(-4)}`;

/** Returns the name of a chain. */
export const chainName = (id) => NAMES[id] ?? `Chain ${id}`;

/** Creates an element with classes and a text. */
export function create(tag, className = '', text = '') {
  const element = document.createElement(tag);
  if (className !== '') element.className = className;
  element.textContent = text;
  return element;
}

/** Sets the text of an element only if it differs. An unchanged text keeps the user's selection. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Sets an attribute if it differs. */
export function setAttribute(element, name, value) {
  if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
}

/**
 * Makes the children of `parent` show `items` in their order. An item whose key was shown before keeps its element, so that the element
 * keeps the focus.
 *
 * @param make creates the element of an item
 * @param update shows an item in its element
 */
export function showList(parent, items, keyOf, make, update) {
  const old = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  items.forEach((item, at) => {
    const key = String(keyOf(item));
    let child = old.get(key);
    old.delete(key);
    if (child === undefined) {
      child = make(item);
      child.dataset.key = key;
    }
    if (parent.children[at] !== child) parent.insertBefore(child, parent.children[at] ?? null);
    update(child, item);
  });
  for (const child of old.values()) child.remove();
}
