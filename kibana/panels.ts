/**
 * Panels as a dashboard lists them: what is counted, by what it is split, how it is drawn. They know no version of
 * Kibana; `lens.ts` writes them for Lens.
 *
 * Terminology
 * - measure: one number, such as a count or a percentile; `where` narrows it.
 * - group: what splits the events; groups nest in the order they are written.
 */

/** One number of the events of a panel. */
export interface Measure {
  label: string;
  of: 'count' | 'distinct' | 'sum' | 'min' | 'max' | 'percentile';
  field?: string;
  percent?: number;
  /** KQL. */
  where?: string;
}

/** The share of some events in others, both in KQL. */
export interface Ratio {
  label: string;
  of: 'ratio';
  part: string;
  whole: string;
}

/** What splits events: the largest values of a field, bars of time, or named queries. */
export type Group =
  | { of: 'values'; field: string; label: string; size: number }
  | { of: 'time' }
  | { of: 'cases'; label: string; cases: Record<string, string> };

/** A panel that is drawn from numbers. Groups are ordered by the first measure, which cannot be a ratio then. */
export interface Chart {
  kind: 'metric' | 'bars' | 'lines' | 'ranking' | 'table' | 'donut' | 'heatmap';
  title: string;
  /** KQL; empty for all events. */
  where: string;
  groups: Group[];
  measures: (Measure | Ratio)[];
  /** Id of the dashboard that a click on a value opens. */
  opens?: string;
}

/** A panel that lists the events of a saved search. */
export interface Listing {
  kind: 'listing';
  title: string;
  /** Id of the saved search. */
  search: string;
}

export type Panel = Chart | Listing;

/** Panels that stand beside each other and share the width. */
export interface Row {
  /** In rows of the grid, about 20 pixels each. */
  height: number;
  panels: Panel[];
}

/** A dashboard: its controls, then its rows from top to bottom. */
export interface Dashboard {
  id: string;
  title: string;
  /** What it answers. */
  description: string;
  controls: { field: string; title: string }[];
  rows: Row[];
}

/** A list of events to read. */
export interface Search {
  id: string;
  title: string;
  description: string;
  where: string;
  columns: string[];
}

/** Number of events. */
export function count(label: string, where = ''): Measure {
  return { label, of: 'count', where };
}

/** Number of different values of a field; close, not exact, above 3,000. */
export function distinct(label: string, field: string, where = ''): Measure {
  return { label, of: 'distinct', field, where };
}

/** Sum of a field. */
export function sum(label: string, field: string, where = ''): Measure {
  return { label, of: 'sum', field, where };
}

/** Percentile of a field. */
export function percentile(label: string, field: string, percent: number, where = ''): Measure {
  return { label, of: 'percentile', field, percent, where };
}

/** When the first of the events was. */
export function first(label: string, where = ''): Measure {
  return { label, of: 'min', field: '@timestamp', where };
}

/** When the last of the events was. */
export function last(label: string, where = ''): Measure {
  return { label, of: 'max', field: '@timestamp', where };
}

/** Share of the events that match `part` in those that match `whole`. */
export function ratio(label: string, part: string, whole: string): Ratio {
  return { label, of: 'ratio', part, whole };
}

/** The values of a field that have most of the first measure. */
export function values(label: string, field: string, size = 10): Group {
  return { of: 'values', field, label, size };
}

/** Named queries, each a series of its own. */
export function cases(label: string, named: Record<string, string>): Group {
  return { of: 'cases', label, cases: named };
}

/** One number. */
export function metric(measure: Measure | Ratio, where = ''): Chart {
  return { kind: 'metric', title: measure.label, where, groups: [], measures: [measure] };
}

/** Stacked bars over time, one colour a value of `by`. */
export function barsOverTime(title: string, by: Group, where: string): Chart {
  return { kind: 'bars', title, where, groups: [by, { of: 'time' }], measures: [count('Events')] };
}

/** Lines over time, one a measure, or one a value of `by`. */
export function linesOverTime(title: string, measures: Measure[], where: string, by?: Group): Chart {
  return { kind: 'lines', title, where, groups: [...(by ? [by] : []), { of: 'time' }], measures };
}

/** Lying bars, the longest on top; split in colours by a second group. */
export function ranking(title: string, groups: Group[], where: string): Chart {
  return { kind: 'ranking', title, where, groups, measures: [count('Events')] };
}

/** The shares of the values of a field. */
export function donut(title: string, by: Group, where: string): Chart {
  return { kind: 'donut', title, where, groups: [by], measures: [count('Events')] };
}

/** Events by value and time, as shades. */
export function heatmap(title: string, by: Group, where: string): Chart {
  return { kind: 'heatmap', title, where, groups: [by, { of: 'time' }], measures: [count('Events')] };
}

/** Top values with their measures, ordered by the first measure. */
export function table(title: string, groups: Group[], measures: (Measure | Ratio)[], where: string): Chart {
  return { kind: 'table', title, where, groups, measures };
}

/** The same panel; a click on a value opens another dashboard, filtered by it. */
export function opening(dashboard: string, chart: Chart): Chart {
  return { ...chart, opens: dashboard };
}

/** The events of a saved search. */
export function listing(search: Search): Listing {
  return { kind: 'listing', title: search.title, search: search.id };
}

/** A row of panels. */
export function row(height: number, ...panels: Panel[]): Row {
  return { height, panels };
}
