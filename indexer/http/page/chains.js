import {
  byId,
  chainName,
  count,
  create,
  duration,
  many,
  setAttribute,
  setText,
  short,
  shortHash,
  showList,
  timeOfDay,
} from './dom.js';
import { showStrip } from './strip.js';

const RATES_KEPT = 60;
const GRAPH_HEIGHT = 20;
const REORGS_SHOWN = 5;
/** The key and the name of each count, and whether a count above zero is a problem that someone should look into. */
const COUNTS = [
  ['quarantined', 'Contracts set aside', true],
  ['reorgs', 'Reorgs', false],
  ['repairs', 'Repairs', false],
  ['deadLetters', 'Dead letters', true],
  ['contradictions', 'Contradictions', true],
  ['dividendAnomalies', 'Dividend anomalies', true],
  ['verifyDifferences', 'Differences to chain', true],
];

/** The events per second of each chain in the last minute. */
const rates = new Map();

/** Shows every chain of a received state. */
export function showChains({ status, blocks }) {
  const troubled = new Set(status.reasons.flatMap((reason) => /^chain (\d+):/.exec(reason)?.[1] ?? []));
  const recent = new Map(blocks.map((chain) => [chain.chainId, chain]));
  showList(
    byId('chains'),
    status.chains,
    ({ chainId }) => chainId,
    makeCard,
    (card, chain) => showCard(card, chain, recent.get(chain.chainId), troubled.has(String(chain.chainId))),
  );
}

function makeCard({ chainId }) {
  const card = byId('chain-template').content.firstElementChild.cloneNode(true);
  card.id = `chain-${chainId}`;
  const heading = card.querySelector('h3');
  heading.id = `chain-${chainId}-heading`;
  heading.textContent = chainName(chainId);
  if (heading.textContent !== `Chain ${chainId}`) heading.append(' ', create('small', '', `chain ${chainId}`));
  card.setAttribute('aria-labelledby', heading.id);
  for (const caption of card.querySelectorAll('caption')) caption.textContent += ` ${chainId}`;
  return card;
}

function showCard(card, chain, recent, isTroubled) {
  card.dataset.tone = isTroubled ? 'bad' : chain.state === 'starting' ? 'wait' : 'good';
  setText(card.querySelector('.state'), chain.state);
  showFigures(card, chain);
  showRates(card, chain);
  const { blocks = [], reorgs = [] } = recent ?? {};
  showStrip(card.querySelector('.strip'), { blocks, reorgs }, chain.finalized ?? -1);
  const counts = card.querySelector('.counts');
  showList(
    counts,
    COUNTS,
    ([key]) => key,
    makeCount,
    (pair, [key, , isTrouble]) => showCount(pair, chain[key] ?? chain.contracts[key] ?? null, isTrouble),
  );
  showTable(card, 'endpoints', chain.endpoints.map(endpointRow));
  showTable(card, 'stages', chain.stages.map(stageRow));
  showTable(card, 'reorgs', reorgs.slice(0, REORGS_SHOWN).map(reorgRow));
  showBackfills(card, chain);
}

function showFigure(card, name, text, note) {
  const [, value, small] = card.querySelector(`[data-of="${name}"]`).children;
  setText(value, text);
  setText(small, note);
}

function showFigures(card, { head, remoteHead, lagBlocks, lagSeconds, lastIndexedAt, contracts, ...chain }) {
  const moved = lastIndexedAt === null ? '' : `, ${duration((Date.now() - Date.parse(lastIndexedAt)) / 1_000)} ago`;
  showFigure(card, 'head', count(head?.number), head === null ? 'no block yet' : `${shortHash(head.hash)}${moved}`);
  const late = lagSeconds === null ? 'time unknown' : duration(lagSeconds);
  const behind = remoteHead === null ? 'no endpoint has answered' : `${late}, its head is ${count(remoteHead)}`;
  showFigure(card, 'lag', lagBlocks === null ? '–' : many(lagBlocks, 'block'), behind);
  for (const name of ['finalized', 'completeTo', 'provedTo']) {
    const block = chain[name];
    const isKnown = head !== null && block !== null && block >= 0;
    const note = isKnown ? (block >= head.number ? 'the head' : `${count(head.number - block)} below the head`) : '';
    showFigure(card, name, block === -1 ? 'none' : count(block), note);
  }
  const { active, complete } = contracts;
  const incomplete = active === complete ? 'all complete' : `${count(complete)} complete`;
  showFigure(card, 'contracts', count(active), active === 0 ? 'none yet' : incomplete);
}

function showRates(card, { chainId, eventsPerSecond }) {
  const kept = [...(rates.get(chainId) ?? []), eventsPerSecond].slice(-RATES_KEPT);
  rates.set(chainId, kept);
  const most = Math.max(...kept);
  showFigure(card, 'rate', count(eventsPerSecond), `peak ${count(most)} in a minute`);
  const y = (rate) => (GRAPH_HEIGHT - 1 - (rate / Math.max(1, most)) * (GRAPH_HEIGHT - 2)).toFixed(1);
  const points = kept.map((rate, at) => `${RATES_KEPT - kept.length + at} ${y(rate)}`);
  setAttribute(card.querySelector('.graph path'), 'd', `M${points.join('L')}`);
}

function makeCount([, name]) {
  const pair = create('div');
  pair.append(create('dt', '', name), create('dd'));
  return pair;
}

function showCount(pair, number, isTrouble) {
  setText(pair.lastElementChild, count(number));
  pair.classList.toggle('trouble', isTrouble && number > 0);
}

/** Shows the rows of a table. Each has a name, a state below the name, and numbers. */
function showTable(card, part, rows) {
  const section = card.querySelector(`.${part}`);
  section.hidden = rows.length === 0;
  const makeRow = ({ numbers }) => {
    const row = create('tr');
    const name = create('th');
    name.scope = 'row';
    name.append(create('span'), create('p', 'state'));
    row.append(name, ...numbers.map(() => create('td')));
    return row;
  };
  showList(
    section.querySelector('tbody'),
    rows,
    ({ key, name }) => key ?? name,
    makeRow,
    (row, { name, state, tone, numbers }) => {
      const [heading, ...cells] = row.children;
      row.dataset.tone = tone;
      setText(heading.firstElementChild, name);
      setText(heading.lastElementChild, state);
      for (const [at, text] of numbers.entries()) setText(cells[at], text);
    },
  );
}

function endpointRow({ endpoint, status, reason, calls, failedCalls, rangeBlocks, callsPerSecond, budget }) {
  const failed = calls === 0 ? '–' : `${((100 * failedCalls) / calls).toFixed(failedCalls === 0 ? 0 : 1)} %`;
  const spent =
    budget === null ? '' : `, ${short(budget.spent)} of ${short(budget.limit)} ${budget.unit} spent this month`;
  return {
    name: endpoint,
    state: `${reason === null ? status : `${status}: ${reason}`}${spent}`,
    tone: status === 'healthy' ? 'good' : 'bad',
    numbers: [
      short(calls),
      failed,
      count(rangeBlocks),
      callsPerSecond === null ? 'none' : `${count(callsPerSecond)}/s`,
    ],
  };
}

function stageRow({ name, asOf, failedReason }) {
  const state = failedReason === null ? '' : `stopped: ${failedReason}`;
  return { name, state, tone: 'bad', numbers: [count(asOf)] };
}

function reorgRow({ from, to, depth, detectedAt }) {
  const name = from === to + 1 ? count(from) : `${count(to + 1)} to ${count(from)}`;
  const numbers = [many(depth, 'block'), timeOfDay(Date.parse(detectedAt))];
  return { key: detectedAt, name, state: '', tone: 'good', numbers };
}

function showBackfills(card, { backfills, queue }) {
  const section = card.querySelector('.backfills');
  const nothing = [{ id: '' }];
  showList(
    section.querySelector('ul'),
    backfills.length > 0 ? backfills : nothing,
    ({ id }) => id,
    makeBackfill,
    showBackfill,
  );
  const jobs =
    queue && `${count(queue.waiting)} waiting, ${count(queue.active)} running, ${count(queue.delayed)} delayed.`;
  setText(section.querySelector('.queue span'), queue === null ? 'The queue is not connected.' : `Jobs: ${jobs}`);
}

function makeBackfill({ id }) {
  const item = create('li');
  if (id === '') item.append('No block of history is missing.');
  else item.append(create('span'), document.createElement('progress'), create('p', 'note'));
  return item;
}

function showBackfill(item, { id, from, to, blocks, blocksLeft, secondsLeft }) {
  if (id === '') return;
  const [name, progress, note] = item.children;
  const what = id === 'history' ? 'History of all contracts' : `Request ${id.slice(0, 8)}`;
  setText(name, `${what}, blocks ${count(from)} to ${count(to)}`);
  setAttribute(progress, 'aria-label', `${what}: share of blocks that are filled`);
  progress.max = Math.max(1, blocks);
  progress.value = blocks - blocksLeft;
  const share = Math.floor((100 * (blocks - blocksLeft)) / Math.max(1, blocks));
  const left = secondsLeft === null ? 'time left unknown' : `${duration(secondsLeft)} left`;
  setText(note, `${share} %, ${many(blocksLeft, 'block')} to fill, ${left}`);
}
