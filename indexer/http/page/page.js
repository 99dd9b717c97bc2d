import { showChains } from './chains.js';
import { startContracts } from './contracts.js';
import { byId, setText } from './dom.js';
import { decideVerdict, showVerdict } from './verdict.js';

/** The delay before the page reconnects after an HTTP error. After an outage of the network, the browser reconnects by itself. */
const RECONNECT_AFTER_MS = 5_000;
const TICK_MS = 1_000;

let state;
let receivedAt = 0;
let link = 'open';
const contracts = startContracts();

function showAge() {
  const ageSeconds = state === undefined ? undefined : (performance.now() - receivedAt) / 1_000;
  const verdict = decideVerdict(state, link, ageSeconds);
  showVerdict(verdict, ageSeconds);
  document.querySelector('main').classList.toggle('old', !['good', 'bad'].includes(verdict.tone) || link !== 'open');
}

function receive(event) {
  const received = JSON.parse(event.data);
  const { version, chains } = received.status;
  // A page fits only the version of the indexer that served it, so it is loaded again for another version.
  if (state !== undefined && state.status.version !== version) location.reload();
  showChains(received);
  contracts.setChains(chains);
  setText(byId('version'), `indexer ${version}`);
  state = received;
  receivedAt = performance.now();
  link = 'open';
  showAge();
}

function fail(how) {
  link = how;
  showAge();
}

function connect() {
  const events = new EventSource('events');
  events.addEventListener('state', receive);
  events.addEventListener('outage', () => fail('outage'));
  events.addEventListener('error', () => {
    fail('lost');
    if (events.readyState === EventSource.CLOSED) setTimeout(connect, RECONNECT_AFTER_MS);
  });
}

connect();
setInterval(showAge, TICK_MS);
