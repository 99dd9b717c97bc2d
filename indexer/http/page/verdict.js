import { byId, chainName, count, create, duration, many, setAttribute, setText, showList, timeOfDay } from './dom.js';

/** The state of the indexer arrives every second. If none has arrived for longer than this, the indexer may hang. */
const SILENCE_MAX_SECONDS = 15;
const TITLE_MAX_CHARS = 80;
/**
 * The signs of the verdicts differ both in shape and in colour, so that the shape alone or the colour alone tells them apart. The colours
 * have contrast on light and on dark tabs.
 */
const SIGNS = {
  good: {
    sign: '✓',
    icon: '<circle cx="8" cy="8" r="8" fill="#1a8a5f"/><path d="M4 8.5l3 3 5-6" fill="none" stroke="#fff" stroke-width="2"/>',
  },
  bad: {
    sign: '!',
    icon: '<path d="M8 0l8 15H0z" fill="#d43f34"/><path d="M8 5v5m0 1.5v2" stroke="#fff" stroke-width="2"/>',
  },
  lost: {
    sign: '?',
    icon: '<path d="M0 0h16v16H0z" fill="#b06a00"/><path d="M4 4l8 8m0-8l-8 8" stroke="#fff" stroke-width="2"/>',
  },
  wait: { sign: '…', icon: '<circle cx="8" cy="8" r="6" fill="none" stroke="#7a8896" stroke-width="3"/>' },
};

/**
 * Decides what the top of the page says: one verdict on the state of the indexer.
 *
 * @param state the newest state of the indexer, undefined before one has arrived
 * @param link the connection to the indexer: `open`, `lost`, or `outage` if it is open but the database does not answer
 * @param ageSeconds how old the state is
 */
export function decideVerdict(state, link, ageSeconds) {
  const old = state === undefined ? 'No state has arrived yet.' : `Below is the state of ${duration(ageSeconds)} ago.`;
  if (link === 'lost') return { tone: 'lost', heading: 'Connection to the indexer lost', summary: old, reasons: [] };
  if (link === 'outage') return { tone: 'bad', heading: 'The database does not answer', summary: old, reasons: [] };
  if (state !== undefined && ageSeconds > SILENCE_MAX_SECONDS)
    return { tone: 'lost', heading: 'No news from the indexer', summary: `Its database may hang. ${old}`, reasons: [] };
  if (state === undefined)
    return {
      tone: 'wait',
      heading: 'Connecting',
      summary: 'Waiting for the first news from the indexer.',
      reasons: [],
    };
  const { status, reasons, chains, blocksBehind } = state.status;
  const events = chains.reduce((sum, { eventsPerSecond }) => sum + eventsPerSecond, 0);
  const contracts = chains.reduce((sum, { contracts }) => sum + contracts.active, 0);
  const behind =
    blocksBehind === null
      ? 'head of the chain unknown'
      : blocksBehind === 0
        ? 'at the head'
        : `${many(blocksBehind, 'block')} behind`;
  const summary = [many(chains.length, 'chain'), behind, many(contracts, 'contract'), `${count(events)} events/s`].join(
    ' · ',
  );
  if (status === 'healthy') return { tone: 'good', heading: 'All is well', summary, reasons: [] };
  return { tone: 'bad', heading: many(reasons.length, 'problem'), summary, reasons: reasons.map(parseReason) };
}

/** Splits a reason, such as `chain 8453: halted: …`, into the chain and the text. */
function parseReason(reason) {
  const [, id, text] = /^chain (\d+): (.*)$/s.exec(reason) ?? [];
  return id === undefined ? { subject: '', text: reason } : { id, subject: chainName(id), text };
}

const says = ({ subject, text }) => (subject === '' ? text : `${subject}: ${text}`);

/** Shows a verdict at the top of the page, in its title and in its icon, and announces it to screen readers if it has changed. */
export function showVerdict({ tone, heading, summary, reasons }, ageSeconds) {
  const verdict = byId('verdict');
  const [first] = reasons;
  verdict.dataset.tone = tone;
  setText(verdict.querySelector('.sign'), SIGNS[tone].sign);
  setText(verdict.querySelector('h1'), heading);
  setText(byId('summary'), summary);
  showList(byId('reasons'), reasons, (reason) => reasons.indexOf(reason), makeReason, showReason);
  setText(byId('age'), ageSeconds === undefined ? '' : `as of ${timeOfDay(Date.now() - ageSeconds * 1_000)}`);
  const title = first === undefined ? heading : says(first).slice(0, TITLE_MAX_CHARS);
  document.title = `${SIGNS[tone].sign} ${title} · indexer`;
  showIcon(SIGNS[tone].icon);
  announce(heading, reasons);
}

function makeReason() {
  const item = create('li');
  item.append(create('a'), create('span'));
  return item;
}

function showReason(item, { id, subject, text }) {
  const [link, span] = item.children;
  link.hidden = id === undefined;
  if (id !== undefined) link.setAttribute('href', `#chain-${id}`);
  setText(link, subject);
  setText(span, text);
}

function showIcon(shape) {
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16">${shape}</svg>`;
  setAttribute(byId('icon'), 'href', `data:image/svg+xml,${encodeURIComponent(svg)}`);
}

/** Announces a verdict if its heading or the text of a reason changed. Ignores numbers in reasons, because they change every second. */
function announce(heading, reasons) {
  const announcement = byId('announcement');
  const kind = [heading, ...reasons.map(({ id, text }) => `${id} ${text.replace(/\d+/g, '')}`)].join('\n');
  if (announcement.dataset.kind === kind) return;
  announcement.dataset.kind = kind;
  setText(announcement, [heading, ...reasons.map(says)].join('. '));
}
