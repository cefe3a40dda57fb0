/** Draws the result of a panel as HTML and SVG: plain pictures for readers without a Kibana. */
import { type Cell, layerOf, type Result, type Row } from './run-panel.ts';
import type { Column, Lens } from './saved-object.ts';

/** Size of a drawing, in pixels. */
export interface Room {
  width: number;
  height: number;
}

const palette = [
  '#3b7dd8',
  '#e08b2c',
  '#8e5bb5',
  '#3aa39a',
  '#c9497a',
  '#7d8b2f',
  '#5f6f86',
  '#b5784a',
  '#4c9b4f',
  '#9aa5b5',
  '#d6b72f',
  '#2f4b7c',
];
const byName: Readonly<Record<string, string>> = {
  success: '#4c9b4f',
  succeeded: '#4c9b4f',
  failure: '#cc4b46',
  failed: '#cc4b46',
  'failed (5xx)': '#cc4b46',
};
const legendWidth = 150;
const axisWidth = 44;
const axisHeight = 18;
/** Width of a time label on an axis, in pixels. */
const timeWidth = 78;

/** The input of a drawing: a Lens panel and its rows. */
interface Picture {
  lens: Lens;
  columns: Record<string, Column>;
  rows: Row[];
  room: Room;
}

/** Draws a Lens panel; returns an empty text for an unknown visualization. */
export function drawLens(lens: Lens, { rows }: Result, room: Room): string {
  const picture: Picture = { lens, columns: layerOf(lens).columns, rows, room };
  const draw = drawings[lens.visualizationType];
  return draw === undefined ? '' : draw(picture);
}

/** Draws a list of events as a table. */
export function drawSearch({ rows }: Result, room: Room): string {
  const [first = {}] = rows;
  const lines = rows.map((row) =>
    Object.entries(row).map(([id, value]) => (id === '@timestamp' ? instant(Number(value)) : String(value ?? ''))),
  );
  return tableOf(Object.keys(first), lines, room);
}

/** Escapes text for HTML. */
export function escaped(text: string): string {
  const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
  return text.replaceAll(/[&<>"]/g, (character) => entities[character] ?? '');
}

const drawings: Readonly<Record<string, (picture: Picture) => string>> = {
  lnsMetric: metric,
  lnsDatatable: datatable,
  lnsPie: donut,
  lnsHeatmap: heatmap,
  lnsXY: xy,
};

function metric({ lens, columns, rows }: Picture): string {
  const id = String(lens.state.visualization.metricAccessor);
  const column = columns[id];
  return `<div class="metric"><span>${escaped(column?.label ?? '')}</span><b>${escaped(formatted(column, rows[0]?.[id]))}</b></div>`;
}

function datatable({ lens, columns, rows, room }: Picture): string {
  const ids = (lens.state.visualization.columns as { columnId: string }[]).map(({ columnId }) => columnId);
  const { columnId, direction } = lens.state.visualization.sorting as { columnId: string; direction: string };
  const sign = direction === 'desc' ? -1 : 1;
  const sorted = rows.toSorted((a, b) => sign * (Number(a[columnId]) - Number(b[columnId])));
  const lines = sorted.map((row) => ids.map((id) => formatted(columns[id], row[id])));
  return tableOf(
    ids.map((id) => columns[id]?.label ?? ''),
    lines,
    room,
  );
}

function tableOf(names: string[], lines: string[][], { height }: Room): string {
  const fitting = lines.slice(0, Math.max(1, Math.floor(height / 21) - 1));
  const cells = (tag: string, texts: string[]) => texts.map((text) => `<${tag}>${escaped(text)}</${tag}>`).join('');
  const body = fitting.map((line) => `<tr>${cells('td', line)}</tr>`).join('');
  return `<table><tr>${cells('th', names)}</tr>${body}</table>`;
}

function donut({ lens, columns, rows, room }: Picture): string {
  const [layer] = lens.state.visualization.layers as { primaryGroups: string[]; metrics: string[] }[];
  const group = layer?.primaryGroups[0] ?? '';
  const parts = rows.map((row) => ({
    name: formatted(columns[group], row[group]),
    value: Number(row[layer?.metrics[0] ?? '']),
  }));
  const total = parts.reduce((sum, { value }) => sum + value, 0);
  const radius = Math.min(room.height / 2 - 8, (room.width - legendWidth) / 2 - 8);
  const around = 2 * Math.PI * radius * 0.75;
  let begin = 0;
  const arcs = parts.map(({ name, value }, index) => {
    const length = (value / total) * around;
    const arc = `<circle r="${radius * 0.75}" fill="none" stroke="${colour(name, index)}" stroke-width="${radius * 0.5}" stroke-dasharray="${length} ${around}" stroke-dashoffset="${-begin}" transform="rotate(-90)"/>`;
    begin += length;
    return arc;
  });
  const names = parts.map(({ name, value }) => ({ name, text: `${name}  ${((100 * value) / total).toFixed(0)} %` }));
  const centre = `translate(${(room.width - legendWidth) / 2},${room.height / 2})`;
  return svg(room, `<g transform="${centre}">${arcs.join('')}</g>${legend(names, room)}`);
}

function heatmap({ lens, columns, rows, room }: Picture): string {
  const { xAccessor, yAccessor, valueAccessor } = lens.state.visualization as Record<string, string>;
  const [x = '', y = '', value = ''] = [xAccessor, yAccessor, valueAccessor];
  const names = [...new Set(rows.map((row) => formatted(columns[y], row[y])))];
  const times = [...new Set(rows.map((row) => Number(row[x])))].sort((a, b) => a - b);
  const left = 130;
  const size = { width: (room.width - left) / times.length, height: (room.height - axisHeight) / names.length };
  const max = Math.max(...rows.map((row) => Number(row[value])), 1);
  const cells = rows.map((row) => {
    const at = {
      x: left + times.indexOf(Number(row[x])) * size.width,
      y: names.indexOf(formatted(columns[y], row[y])) * size.height,
    };
    const shade = Number(row[value]) === 0 ? 0.04 : 0.2 + (0.8 * Number(row[value])) / max;
    return `<rect x="${at.x}" y="${at.y}" width="${size.width - 1}" height="${size.height - 1}" fill="#cc4b46" fill-opacity="${shade.toFixed(2)}"/>`;
  });
  const labels = names.map((name, index) => label(name, left - 6, (index + 0.5) * size.height + 4, 'end', 20));
  return svg(room, cells.join('') + labels.join('') + timeAxis(times, left, room.width - left, room.height));
}

/** One line or one colour of bars: its values by their position on the x axis. */
interface Series {
  name: string;
  values: Map<string, number>;
}

interface XyLayer {
  seriesType: string;
  xAccessor: string;
  splitAccessor?: string;
  accessors: string[];
}

function xy(picture: Picture): string {
  const [layer] = picture.lens.state.visualization.layers as XyLayer[];
  if (layer === undefined) return '';
  const series = seriesOf(picture, layer);
  if (layer.seriesType.startsWith('bar_horizontal')) return lyingBars(picture, layer, series);
  const times = [...new Set(picture.rows.map((row) => Number(row[layer.xAccessor])))].sort((a, b) => a - b);
  return overTime(picture, series, times, {
    isStacked: layer.seriesType === 'bar_stacked',
    unit: picture.columns[layer.accessors[0] ?? ''],
  });
}

function seriesOf({ columns, rows }: Picture, { xAccessor, splitAccessor, accessors }: XyLayer): Series[] {
  const found = new Map<string, Series>();
  for (const row of rows) {
    for (const accessor of accessors) {
      const name =
        splitAccessor === undefined
          ? (columns[accessor]?.label ?? '')
          : formatted(columns[splitAccessor], row[splitAccessor]);
      const series = found.get(name) ?? { name, values: new Map() };
      series.values.set(String(row[xAccessor]), Number(row[accessor] ?? 0));
      found.set(name, series);
    }
  }
  return [...found.values()];
}

function overTime(
  { room }: Picture,
  series: Series[],
  times: number[],
  { isStacked, unit }: { isStacked: boolean; unit: Column | undefined },
): string {
  const plot = { width: room.width - axisWidth - legendWidth, height: room.height - axisHeight - 6 };
  const valueAt = ({ values }: Series, time: number) => values.get(String(time)) ?? 0;
  const sums = times.map((time) => series.reduce((sum, one) => sum + valueAt(one, time), 0));
  const max = Math.max(...(isStacked ? sums : series.flatMap(({ values }) => [...values.values()])), 1);
  const step = plot.width / times.length;
  const heightOf = (value: number) => (value / max) * plot.height;
  const top = new Map(times.map((time) => [time, plot.height + 6]));
  const bars = series.flatMap((one, index) =>
    times.map((time, place) => {
      const height = heightOf(valueAt(one, time));
      const y = (top.get(time) ?? 0) - height;
      top.set(time, y);
      return `<rect x="${(axisWidth + place * step).toFixed(1)}" y="${y.toFixed(1)}" width="${Math.max(step - 1, 1).toFixed(1)}" height="${height.toFixed(1)}" fill="${colour(one.name, index)}"/>`;
    }),
  );
  const lines = series.map((one, index) => {
    const points = times.map(
      (time, place) =>
        `${(axisWidth + (place + 0.5) * step).toFixed(1)},${(plot.height + 6 - heightOf(valueAt(one, time))).toFixed(1)}`,
    );
    return `<polyline points="${points.join(' ')}" fill="none" stroke="${colour(one.name, index)}" stroke-width="1.8"/>`;
  });
  const grid = [0, 0.5, 1].map((part) => {
    const y = plot.height + 6 - part * plot.height;
    return `<line x1="${axisWidth}" x2="${axisWidth + plot.width}" y1="${y}" y2="${y}" stroke="#e3e7ee"/>${label(formatted(unit, max * part), axisWidth - 6, y + 4, 'end', 9)}`;
  });
  const names = series.map(({ name }) => ({ name, text: name }));
  return svg(
    room,
    grid.join('') +
      (isStacked ? bars : lines).join('') +
      timeAxis(times, axisWidth, plot.width, room.height) +
      legend(names, room),
  );
}

function lyingBars({ columns, rows, room }: Picture, { xAccessor, splitAccessor }: XyLayer, series: Series[]): string {
  const places = [...new Set(rows.map((row) => String(row[xAccessor])))];
  const left = Math.min(220, room.width * 0.36);
  const width = room.width - left - 40 - (splitAccessor === undefined ? 0 : legendWidth);
  const max = Math.max(
    ...places.map((place) => series.reduce((sum, { values }) => sum + (values.get(place) ?? 0), 0)),
    1,
  );
  const height = Math.min(26, room.height / places.length);
  const bars = places.map((place, row) => {
    let x = left;
    const parts = series.map(({ name, values }, index) => {
      const length = ((values.get(place) ?? 0) / max) * width;
      const part = `<rect x="${x.toFixed(1)}" y="${row * height + 3}" width="${length.toFixed(1)}" height="${height - 6}" fill="${colour(name, index)}"/>`;
      x += length;
      return part;
    });
    const shown = formatted(columns[xAccessor], places[row] ?? '');
    const total = series.reduce((sum, { values }) => sum + (values.get(place) ?? 0), 0);
    return (
      parts.join('') +
      label(shown, left - 6, (row + 0.5) * height + 4, 'end', Math.floor(left / 6.4)) +
      label(String(total), x + 4, (row + 0.5) * height + 4, 'start', 9)
    );
  });
  const names = splitAccessor === undefined ? [] : series.map(({ name }) => ({ name, text: name }));
  return svg(room, bars.join('') + legend(names, room));
}

function timeAxis(times: number[], left: number, width: number, height: number): string {
  const every = Math.max(1, Math.ceil((times.length * timeWidth) / width));
  const ticks = times.map((time, place) => ({ time, x: left + ((place + 0.5) / times.length) * width }));
  return ticks
    .filter((_tick, place) => place % every === 0)
    .map(({ time, x }) => label(instant(time).slice(5), x, height - 3, 'start', 12))
    .join('');
}

function legend(names: { name: string; text: string }[], { width, height }: Room): string {
  const fitting = names.slice(0, Math.floor(height / 17));
  return fitting
    .map(({ name, text }, index) => {
      const x = width - legendWidth + 14;
      const y = 6 + index * 17;
      return `<rect x="${x}" y="${y}" width="10" height="10" fill="${colour(name, index)}"/>${label(text, x + 15, y + 9, 'start', 21)}`;
    })
    .join('');
}

function label(text: string, x: number, y: number, anchor: 'start' | 'end', charactersMax: number): string {
  const shown = text.length > charactersMax ? `${text.slice(0, charactersMax - 1)}…` : text;
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}">${escaped(shown)}</text>`;
}

function svg({ width, height }: Room, content: string): string {
  return `<svg width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">${content}</svg>`;
}

function colour(name: string, index: number): string {
  return byName[name] ?? palette[index % palette.length] ?? '';
}

/** Formats a value approximately as Kibana does. */
function formatted(column: Column | undefined, value: Cell | undefined): string {
  if (value === null || value === undefined) return '–';
  if (typeof value === 'string' || column === undefined) return String(value);
  if (column.params?.format?.id === 'percent') return `${(100 * value).toFixed(1)} %`;
  if (column.dataType === 'date') return instant(value);
  if (column.sourceField === 'event.duration')
    return value >= 1e9 ? `${(value / 1e9).toFixed(1)} s` : `${Math.round(value / 1e6)} ms`;
  return value.toLocaleString('en', { maximumFractionDigits: 1 });
}

/** Formats an instant as `2026-03-02 12:30`, in UTC. */
function instant(ms: number): string {
  return new Date(ms).toISOString().slice(0, 16).replace('T', ' ');
}
