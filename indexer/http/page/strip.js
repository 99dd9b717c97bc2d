import { count, create, many, setAttribute, shortHash, showList, timeOfDay } from './dom.js';

/** Shows the newest blocks of a chain as a strip, the newest at the right. Marks reorgs, and blocks in between without a checkpoint. */
export function showStrip(strip, { blocks, reorgs }, finalized) {
  const ascending = [...blocks].reverse();
  const cells = ascending.flatMap((block, at) => {
    const expected = (ascending[at - 1]?.number ?? block.number - 1) + 1;
    const forks = reorgs.filter(({ to }) => to + 1 >= expected && to + 1 <= block.number);
    const cell = { block, isFinal: block.number <= finalized, forks };
    return block.number === expected ? [cell] : [{ from: expected, to: block.number - 1, forks: [] }, cell];
  });
  showList(strip, cells, keyOf, () => create('span', 'new'), showCell);
  setAttribute(strip, 'aria-label', describe(ascending, cells));
}

const keyOf = ({ block, from }) => block?.hash ?? `gap ${from}`;

function showCell(span, cell) {
  const { block, isFinal, forks } = cell;
  // Only a cell that was not shown before is new, so that only arriving blocks are animated.
  const isNew = span.dataset.seen === undefined;
  span.dataset.seen = '';
  const kinds = [
    block === undefined ? 'gap' : isFinal ? 'final' : 'open',
    ...(forks.length > 0 ? ['fork'] : []),
    ...(isNew ? ['new'] : []),
  ];
  setAttribute(span, 'class', kinds.join(' '));
  setAttribute(span, 'title', titleOf(cell));
}

function titleOf({ block, isFinal, forks, from, to }) {
  if (block === undefined)
    return from === to ? `block ${count(from)} is not kept` : `blocks ${count(from)} to ${count(to)} are not kept`;
  return [
    `block ${count(block.number)}, ${isFinal ? 'final' : 'not final yet'}`,
    `${shortHash(block.hash)}, ${timeOfDay(block.time * 1_000)}`,
    ...forks.map(describeReorg),
  ].join('\n');
}

function describeReorg({ from, to, depth, detectedAt }) {
  const lost = from === to + 1 ? `block ${count(from)}` : `blocks ${count(to + 1)} to ${count(from)}`;
  return `reorg of ${many(depth, 'block')}: ${lost} replaced at ${timeOfDay(Date.parse(detectedAt))}`;
}

function describe(blocks, cells) {
  if (blocks.length === 0) return 'No block yet';
  const range = `The newest ${many(blocks.length, 'block')}, ${count(blocks[0].number)} to ${count(blocks.at(-1).number)}`;
  const finals = `${count(cells.filter(({ isFinal }) => isFinal).length)} of them final`;
  const reorgs = new Set(cells.flatMap(({ forks }) => forks));
  return [range, finals, ...[...reorgs].map(describeReorg)].join('; ');
}
