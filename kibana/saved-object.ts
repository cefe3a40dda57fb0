/**
 * The types of the saved objects that we write and read: one object per line of `vyry.ndjson`, Lens panels by value,
 * for Kibana 8.19 and 9.
 *
 * Nested JSON is text where Kibana stores text: `panelsJSON`, `optionsJSON`, `searchSourceJSON`, the controls.
 * https://www.elastic.co/docs/api/doc/kibana/group/endpoint-saved-objects
 */

/** A link to another object, by a name that the attributes use. */
export interface Reference {
  type: string;
  id: string;
  name: string;
}

/** One line of the file. */
export interface SavedObject {
  type: string;
  id: string;
  attributes: Record<string, unknown>;
  references: Reference[];
  coreMigrationVersion: string;
  typeMigrationVersion: string;
}

/**
 * The core migration version. Without it Kibana runs every migration since 6; Kibana refuses an object with a newer
 * version than its own.
 */
export const coreMigrationVersion = '8.8.0';

/** Migration versions by type. Kibana 8.19 and later accepts a dashboard of 10.2.0; Kibana 9 migrates it on import. */
export const typeMigrationVersions: Readonly<Record<string, string>> = {
  'index-pattern': '8.0.0',
  search: '8.0.0',
  dashboard: '10.2.0',
};

/** The data view of all dashboards. */
export const dataView = { id: 'auth-logs', title: 'auth-logs-*', timeField: '@timestamp' };

/** A KQL query as Kibana stores it. */
export interface StoredQuery {
  query: string;
  language: 'kuery';
}

/** A node of an expanded formula: a column, a number or a function of both. */
export type Formula = string | number | { type: 'function'; name: string; args: Formula[]; [place: string]: unknown };

/** The parameters of a column's operation. */
interface ColumnParams {
  emptyAsNull?: boolean;
  percentile?: number;
  interval?: string;
  includeEmptyRows?: boolean;
  dropPartials?: boolean;
  size?: number;
  orderBy?: { type: 'column'; columnId: string } | { type: 'alphabetical' };
  orderDirection?: 'asc' | 'desc';
  otherBucket?: boolean;
  missingBucket?: boolean;
  parentFormat?: { id: string };
  include?: string[];
  exclude?: string[];
  includeIsRegex?: boolean;
  excludeIsRegex?: boolean;
  filters?: { label: string; input: StoredQuery }[];
  formula?: string;
  isFormulaBroken?: boolean;
  format?: { id: string; params: { decimals: number } };
  tinymathAst?: Formula;
}

/** A column of a Lens layer: a bucket or a metric. */
export interface Column {
  label: string;
  customLabel: true;
  operationType: string;
  dataType: string;
  isBucketed: boolean;
  scale: string;
  sourceField?: string;
  filter?: StoredQuery;
  params?: ColumnParams;
  references?: string[];
}

/** A Lens layer: its buckets nest in the order of `columnOrder`, followed by its metrics. */
export interface Layer {
  columns: Record<string, Column>;
  columnOrder: string[];
  incompleteColumns: Record<string, never>;
  sampling: number;
  ignoreGlobalFilters: boolean;
}

/** The attributes of a Lens panel. */
export interface Lens {
  title: string;
  type: 'lens';
  visualizationType: string;
  references: Reference[];
  state: {
    query: StoredQuery;
    filters: never[];
    visualization: Record<string, unknown>;
    datasourceStates: { formBased: { layers: Record<string, Layer> }; textBased: { layers: Record<string, never> } };
    internalReferences: never[];
    adHocDataViews: Record<string, never>;
  };
}

/** A drilldown from a panel to another dashboard. */
interface Drilldown {
  eventId: string;
  triggers: string[];
  action: { factoryId: string; name: string; config: Record<string, unknown> };
}

/** A panel of a dashboard. */
export interface StoredPanel {
  type: string;
  panelIndex: string;
  gridData: { x: number; y: number; w: number; h: number; i: string };
  title: string;
  panelRefName?: string;
  embeddableConfig: {
    enhancements: { dynamicActions?: { events: Drilldown[] } };
    hidePanelTitles?: boolean;
    attributes?: Lens;
  };
}

/** An options list above a dashboard. */
export interface StoredControl {
  type: string;
  order: number;
  grow: boolean;
  width: string;
  explicitInput: { id: string; fieldName: string; title: string; [option: string]: unknown };
}

/** Returns the panels of a dashboard object. */
export function panelsOf(dashboard: SavedObject): StoredPanel[] {
  return JSON.parse(String(dashboard.attributes.panelsJSON)) as StoredPanel[];
}

/** Returns the controls of a dashboard object, by id. */
export function controlsOf(dashboard: SavedObject): Record<string, StoredControl> {
  const group = dashboard.attributes.controlGroupInput as { panelsJSON: string } | undefined;
  return group === undefined ? {} : (JSON.parse(group.panelsJSON) as Record<string, StoredControl>);
}

/** Returns the KQL of a dashboard or a saved search. */
export function queryTextOf(object: SavedObject): string {
  const meta = object.attributes.kibanaSavedObjectMeta as { searchSourceJSON: string };
  return (JSON.parse(meta.searchSourceJSON) as { query: StoredQuery }).query.query;
}

/**
 * Parses a file of saved objects.
 *
 * @throws {SyntaxError} a line is not JSON
 */
export function readSavedObjects(ndjson: string): SavedObject[] {
  return ndjson
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as SavedObject);
}

/** Returns the name of a drilldown's reference. */
export function drilldownReference(panelIndex: string, eventId: string): string {
  return `${panelIndex}:drilldown:DASHBOARD_TO_DASHBOARD_DRILLDOWN:${eventId}:dashboardId`;
}
