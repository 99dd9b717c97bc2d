import { byId, chainName, count, create, many, setAttribute, setText, showList } from './dom.js';

const PAGE_CONTRACTS = 50;
const REFRESH_AFTER_MS = 5_000;
const TYPING_PAUSE_MS = 200;
const BAR_WIDTH = 1_000;
/** Minimum width of a gap, so that one missing block in millions is still visible. */
const GAP_WIDTH_MIN = 8;
const SVG = 'http://www.w3.org/2000/svg';

/** Loads the list of contracts and keeps it fresh. Returns an object with `setChains`, which sets the chains to choose from. */
export function startContracts() {
  let offset = 0;
  let total = 0;
  let loading = new AbortController();
  let timer;

  const loadAfter = (ms) => {
    clearTimeout(timer);
    timer = setTimeout(load, ms);
  };
  const restart = (ms) => {
    offset = 0;
    loadAfter(ms);
  };
  const turn = (pages) => {
    const wanted = offset + pages * PAGE_CONTRACTS;
    if (wanted < 0 || wanted >= total) return;
    offset = wanted;
    loadAfter(0);
  };

  async function load() {
    loading.abort();
    loading = new AbortController();
    const { signal } = loading;
    try {
      const page = document.hidden ? undefined : await readPage(offset, signal);
      if (page !== undefined) {
        total = page.total;
        showPage(page, offset);
        // The open page is beyond the end of the list now, because contracts were removed.
        if (page.contracts.length === 0 && offset > 0) return restart(0);
      }
    } catch {
      if (signal.aborted) return;
      setText(byId('list-failure'), 'The list could not be read. It may be old.');
    }
    loadAfter(REFRESH_AFTER_MS);
  }

  byId('filter').addEventListener('submit', (event) => event.preventDefault());
  byId('search').addEventListener('input', () => restart(TYPING_PAUSE_MS));
  byId('chain').addEventListener('change', () => restart(0));
  byId('incomplete').addEventListener('change', () => restart(0));
  byId('previous').addEventListener('click', () => turn(-1));
  byId('next').addEventListener('click', () => turn(1));
  document.addEventListener('visibilitychange', () => document.hidden || loadAfter(0));
  loadAfter(0);
  return { setChains };
}

async function readPage(offset, signal) {
  const query = new URLSearchParams({
    search: byId('search').value.trim(),
    incomplete: byId('incomplete').checked,
    offset,
    limit: PAGE_CONTRACTS,
  });
  if (byId('chain').value !== '') query.set('chain', byId('chain').value);
  const response = await fetch(`contracts?${query}`, { signal });
  if (!response.ok) throw new Error(`HTTP ${response.status}`);
  return response.json();
}

function setChains(chains) {
  const select = byId('chain');
  const options = [
    { id: '', name: 'all' },
    ...chains.map(({ chainId }) => ({ id: chainId, name: chainName(chainId) })),
  ];
  showList(
    select,
    options,
    ({ id }) => id,
    ({ id }) => Object.assign(create('option'), { value: id }),
    (option, { name }) => setText(option, name),
  );
}

function showPage({ total, contracts }, offset) {
  showList(
    byId('contracts'),
    contracts,
    ({ chainId, kind, address }) => `${chainId} ${kind} ${address}`,
    makeRow,
    showRow,
  );
  const last = offset + contracts.length;
  setText(
    byId('found'),
    total === 0 ? 'No contract found' : `${count(offset + 1)} to ${count(last)} of ${many(total, 'contract')}`,
  );
  setText(byId('list-failure'), '');
  // Set `aria-disabled`, because a button with the attribute `disabled` would lose the focus.
  setAttribute(byId('previous'), 'aria-disabled', offset === 0);
  setAttribute(byId('next'), 'aria-disabled', last >= total);
}

function makeRow({ chainId, kind, address }) {
  const row = create('tr');
  const name = create('th');
  name.scope = 'row';
  name.append(
    create('code', '', address),
    create('span', 'note', `${kind.replaceAll('_', ' ')} · ${chainName(chainId)}`),
  );
  const cell = create('td');
  const bar = document.createElementNS(SVG, 'svg');
  for (const [attribute, value] of Object.entries({
    viewBox: `0 0 ${BAR_WIDTH} 10`,
    preserveAspectRatio: 'none',
    'aria-hidden': true,
  }))
    bar.setAttribute(attribute, value);
  bar.append(...['covered', 'missing', 'line'].map(makePath));
  bar.firstElementChild.setAttribute('d', `M0 0h${BAR_WIDTH}v10H0z`);
  cell.append(bar, create('span', 'note'));
  row.append(name, cell);
  return row;
}

function makePath(name) {
  const path = document.createElementNS(SVG, 'path');
  path.setAttribute('class', name);
  return path;
}

function showRow(row, contract) {
  const [bar, text] = row.lastElementChild.children;
  const [, missing, line] = bar.children;
  const gaps = gapsOf(contract).map(({ x, width }) => ({ x: Math.round(x), width: Math.round(width) }));
  setAttribute(missing, 'd', gaps.map(({ x, width }) => `M${x} 0h${width}v10h-${width}z`).join(''));
  setAttribute(line, 'd', gaps.map(({ x, width }) => `M${x} 5h${width}`).join(''));
  row.dataset.tone =
    contract.status !== 'active' || contract.head === null ? 'bad' : contract.gaps > 0 ? 'wait' : 'good';
  setText(text, describe(contract));
}

/** Returns the gaps of a contract as parts of its bar, each wide enough to be seen. */
function gapsOf({ deployedAt, head, covered }) {
  const first = deployedAt ?? 0;
  if (head === null) return [{ x: 0, width: BAR_WIDTH }];
  const gaps = [];
  let next = first;
  for (const { from, to } of [...covered, { from: head + 1, to: head + 1 }]) {
    if (from > next) gaps.push({ from: next, blocks: Math.min(from, head + 1) - next });
    next = Math.max(next, to + 1);
  }
  const scale = BAR_WIDTH / Math.max(1, head - first + 1);
  return gaps.map(({ from, blocks }) => {
    const width = Math.max(GAP_WIDTH_MIN, blocks * scale);
    return { x: Math.min((from - first) * scale, BAR_WIDTH - width), width };
  });
}

function describe({ status, deployedAt, head, gaps, missingBlocks }) {
  const since = deployedAt === null ? 'deployment unknown' : `from ${count(deployedAt)}`;
  const setAside = status === 'active' ? [] : [status === 'quarantined' ? 'set aside' : status];
  const coverage =
    head === null
      ? 'not read yet'
      : gaps === 0
        ? 'complete'
        : `${many(gaps, 'gap')}, ${many(missingBlocks, 'block')} missing`;
  return [...setAside, coverage, since].join(' · ');
}
