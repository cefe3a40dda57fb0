/**
 * The panels of a dashboard, independent of the version of Kibana; `lens.ts` writes them for Lens.
 *
 * Terminology
 * - measure: one number, such as a count or a percentile; `where` filters its events.
 * - group: splits the events; groups nest in the order in which they are written.
 */

/** One number of the events of a panel. */
export interface Measure {
  label: string;
  of: 'count' | 'distinct' | 'sum' | 'min' | 'max' | 'percentile';
  field?: string;
  percent?: number;
  /** KQL filter. */
  where?: string;
}

/** The share of the events of `part` in those of `whole`, both in KQL. */
export interface Ratio {
  label: string;
  of: 'ratio';
  part: string;
  whole: string;
}

/** A way to split events: by the largest values of a field, by time, or by named queries. */
export type Group =
  | { of: 'values'; field: string; label: string; size: number }
  | { of: 'time' }
  | { of: 'cases'; label: string; cases: Record<string, string> };

/** A panel of numbers. Groups are ordered by the first measure, which therefore must not be a ratio. */
export interface Chart {
  kind: 'metric' | 'bars' | 'lines' | 'ranking' | 'table' | 'donut' | 'heatmap';
  title: string;
  /** KQL; empty for all events. */
  where: string;
  groups: Group[];
  measures: (Measure | Ratio)[];
  /** Id of the dashboard that opens at a click on a value. */
  opens?: string;
}

/** A panel that lists the events of a saved search. */
export interface Listing {
  kind: 'listing';
  title: string;
  /** Id of the saved search. */
  search: string;
}

/** A panel of a dashboard. */
export type Panel = Chart | Listing;

/** Panels side by side, which share the width. */
export interface Row {
  /** In rows of the grid, about 20 pixels each. */
  height: number;
  panels: Panel[];
}

/** A dashboard: its controls, then its rows from top to bottom. */
export interface Dashboard {
  id: string;
  title: string;
  /** The questions it answers. */
  description: string;
  controls: { field: string; title: string }[];
  rows: Row[];
}

/** A saved search: a list of events. */
export interface Search {
  id: string;
  title: string;
  description: string;
  where: string;
  columns: string[];
}

/** Counts events. */
export function count(label: string, where = ''): Measure {
  return { label, of: 'count', where };
}

/** Counts the different values of a field; approximate above 3,000. */
export function distinct(label: string, field: string, where = ''): Measure {
  return { label, of: 'distinct', field, where };
}

/** Sums a field. */
export function sum(label: string, field: string, where = ''): Measure {
  return { label, of: 'sum', field, where };
}

/** Computes a percentile of a field. */
export function percentile(label: string, field: string, percent: number, where = ''): Measure {
  return { label, of: 'percentile', field, percent, where };
}

/** Returns the time of the first event. */
export function first(label: string, where = ''): Measure {
  return { label, of: 'min', field: '@timestamp', where };
}

/** Returns the time of the last event. */
export function last(label: string, where = ''): Measure {
  return { label, of: 'max', field: '@timestamp', where };
}

/** Computes the share of the events that match `part` in those that match `whole`. */
export function ratio(label: string, part: string, whole: string): Ratio {
  return { label, of: 'ratio', part, whole };
}

/** Groups by the values of a field with the largest first measure. */
export function values(label: string, field: string, size = 10): Group {
  return { of: 'values', field, label, size };
}

/** Groups by named queries, each a series of its own. */
export function cases(label: string, named: Record<string, string>): Group {
  return { of: 'cases', label, cases: named };
}

/** Shows one number. */
export function metric(measure: Measure | Ratio, where = ''): Chart {
  return { kind: 'metric', title: measure.label, where, groups: [], measures: [measure] };
}

/** Draws stacked bars over time, one colour for each value of `by`. */
export function barsOverTime(title: string, by: Group, where: string): Chart {
  return { kind: 'bars', title, where, groups: [by, { of: 'time' }], measures: [count('Events')] };
}

/** Draws lines over time, one for each measure, or one for each value of `by`. */
export function linesOverTime(title: string, measures: Measure[], where: string, by?: Group): Chart {
  return { kind: 'lines', title, where, groups: [...(by ? [by] : []), { of: 'time' }], measures };
}

/** Draws horizontal bars, the longest on top, with colours by a second group. */
export function ranking(title: string, groups: Group[], where: string): Chart {
  return { kind: 'ranking', title, where, groups, measures: [count('Events')] };
}

/** Draws the shares of the values of a field. */
export function donut(title: string, by: Group, where: string): Chart {
  return { kind: 'donut', title, where, groups: [by], measures: [count('Events')] };
}

/** Draws events by value and time as shades. */
export function heatmap(title: string, by: Group, where: string): Chart {
  return { kind: 'heatmap', title, where, groups: [by, { of: 'time' }], measures: [count('Events')] };
}

/** Lists top values with their measures, ordered by the first measure. */
export function table(title: string, groups: Group[], measures: (Measure | Ratio)[], where: string): Chart {
  return { kind: 'table', title, where, groups, measures };
}

/** Returns the same panel with a drilldown: a click on a value opens another dashboard, filtered by the value. */
export function opening(dashboard: string, chart: Chart): Chart {
  return { ...chart, opens: dashboard };
}

/** Lists the events of a saved search. */
export function listing(search: Search): Listing {
  return { kind: 'listing', title: search.title, search: search.id };
}

/** Returns a row of panels. */
export function row(height: number, ...panels: Panel[]): Row {
  return { height, panels };
}
