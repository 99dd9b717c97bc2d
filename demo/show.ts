import { styleText } from 'node:util';
import { clip, columns, whole } from './format.ts';
import { frameOf, lineOf, type Moment, type Paint } from './frame.ts';
import type { Summary } from './summary.ts';

/** The stream that the demo writes to. */
export type Screen = {
  write(text: string): unknown;
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  readonly rows?: number | undefined;
};

/** URLs to inspect while the demo runs. */
export type Places = { readonly databaseUrl: string; readonly rpcUrl: string; readonly pageUrl: string };

/** An output format of the demo. */
export type Show = {
  /** How often `moment` should be called. */
  readonly intervalMs: number;
  /** Shows a permanent line: a step of the start or of the end. */
  step(text: string): void;
  places(places: Places): void;
  moment(moment: Moment): void;
  summary(summary: Summary): void;
  /** Restores the terminal. Safe to repeat. */
  close(): void;
};

const REDRAW_INTERVAL_MS = 250;
const LINE_INTERVAL_MS = 1_000;
const ESCAPE = '\u001b[';
const HIDE_CURSOR = `${ESCAPE}?25l`;
const SHOW_CURSOR = `${ESCAPE}?25h`;
/** Synchronized output: terminals that support it show everything in between at once, without flicker. Others ignore it. */
const [BEGIN_UPDATE, END_UPDATE] = [`${ESCAPE}?2026h`, `${ESCAPE}?2026l`];
const ERASE_LINE_END = `${ESCAPE}K`;
const ERASE_BELOW = `${ESCAPE}J`;

/** Returns a show that redraws in place on a terminal, prints a line per second elsewhere, or a JSON object per second if `json`. */
export function createShow(screen: Screen, json: boolean): Show {
  if (json) return jsonShow(screen);
  return screen.isTTY ? terminalShow(screen) : lineShow(screen);
}

function jsonShow(screen: Screen): Show {
  const print = (type: string, fields: object): void => void screen.write(`${JSON.stringify({ type, ...fields })}\n`);
  return {
    intervalMs: LINE_INTERVAL_MS,
    step: () => undefined,
    places: (places) => print('started', places),
    moment: ({ figures, elapsedSeconds, seed }) =>
      print('figures', { seconds: Math.round(elapsedSeconds), seed, ...figures }),
    summary: (summary) => print('summary', summary),
    close: () => undefined,
  };
}

function lineShow(screen: Screen): Show {
  const print = (line: string): void => void screen.write(`${line}\n`);
  return {
    intervalMs: LINE_INTERVAL_MS,
    step: print,
    places: (places) => placesLines(places).forEach(print),
    moment: (moment) => print(lineOf(moment)),
    summary: (summary) => summaryLines(summary).forEach(print),
    close: () => undefined,
  };
}

function terminalShow(screen: Screen): Show {
  const paint: Paint = (style, text) => styleText(style, text);
  let height = 0;
  let hidden = false;
  /** Prints a line that stays. The next frame is drawn below it. */
  const print = (line: string): void => {
    height = 0;
    screen.write(`${line}\n`);
  };
  return {
    intervalMs: REDRAW_INTERVAL_MS,
    step: (text) => print(` ${paint('green', '✓')} ${text}`),
    places: (places) => ['', ...placesLines(places).map((line) => ` ${line}`), ''].forEach(print),
    moment(moment) {
      const [width, room] = [(screen.columns ?? 80) - 1, (screen.rows ?? 24) - 1];
      const lines = frameOf(moment, paint).slice(0, room);
      const up = height > 0 ? `${ESCAPE}${height}A\r` : '';
      const frame = lines.map((line) => `${clip(line, width)}${ERASE_LINE_END}\n`).join('');
      screen.write(`${hidden ? '' : HIDE_CURSOR}${BEGIN_UPDATE}${up}${frame}${ERASE_BELOW}${END_UPDATE}`);
      [height, hidden] = [lines.length, true];
    },
    summary: (summary) => ['', ...summaryLines(summary)].map((line) => ` ${line}`).forEach(print),
    close() {
      if (hidden) screen.write(SHOW_CURSOR);
      hidden = false;
    },
  };
}

function placesLines({ databaseUrl, rpcUrl, pageUrl }: Places): string[] {
  return [
    `inspect the database with psql and the chain at ${rpcUrl}; Ctrl-C ends the demo and leaves nothing behind`,
    `psql ${databaseUrl}`,
    `status page  ${pageUrl}`,
  ];
}

/** Returns the lines of a summary: what was compared, and the differences. */
export function summaryLines(summary: Summary): string[] {
  const { equal, block, tables, differences, reorgs, deepestReorg, verified } = summary;
  const head = ['table', 'rows', 'on the chain', 'differences'];
  const rows = tables.map(({ table, stored, expected, differences: found }) => [
    table,
    ...[stored, expected, found].map(whole),
  ]);
  const total = tables.reduce((sum, { stored }) => sum + stored, 0);
  const repaired = reorgs === 0 ? 'no reorg' : `${reorgs} reorgs repaired, the deepest ${deepestReorg} blocks`;
  const verdict = `the database ${equal ? 'equals' : 'DIFFERS from'} the chain at block ${block ?? 'none'}`;
  const asked =
    verified === undefined
      ? []
      : [
          `${whole(verified.answers)} answers of the contracts and the receipts of ${whole(verified.blocks)} blocks compared too`,
        ];
  const compared = [`${whole(total)} rows compared, ${repaired}`, ...asked];
  const result = [verdict, ...compared, ...differences.map((what) => `  ${what}`)];
  return [...(tables.length > 0 ? [...columns([head, ...rows]), ''] : []), ...result];
}
