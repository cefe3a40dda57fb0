/** Writes dashboards and searches as saved objects of Kibana. */
import { layerReference, lensOf } from './lens.ts';
import type { Dashboard, Panel, Search } from './panels.ts';
import {
  coreMigrationVersion,
  dataView,
  drilldownReference,
  type Reference,
  type SavedObject,
  type StoredControl,
  type StoredPanel,
  typeMigrationVersions,
} from './saved-object.ts';

const gridColumns = 48;
const searchSource = 'kibanaSavedObjectMeta.searchSourceJSON.index';

/** Returns the file that Kibana imports: the data view, then the searches, then the dashboards, one per line. */
export function savedObjectsFile(dashboards: readonly Dashboard[], searches: readonly Search[]): string {
  const objects = [dataViewObject(), ...searches.map(searchObject), ...dashboards.map(dashboardObject)];
  return objects.map((object) => `${JSON.stringify(object)}\n`).join('');
}

function savedObject(type: string, id: string, attributes: object, references: Reference[]): SavedObject {
  return {
    type,
    id,
    attributes: { ...attributes },
    references,
    coreMigrationVersion,
    typeMigrationVersion: typeMigrationVersions[type] ?? '',
  };
}

function dataViewObject(): SavedObject {
  const nanoseconds = {
    id: 'duration',
    params: { inputFormat: 'nanoseconds', outputFormat: 'asMilliseconds', outputPrecision: 1 },
  };
  return savedObject(
    'index-pattern',
    dataView.id,
    {
      title: dataView.title,
      name: 'Auth logs',
      timeFieldName: dataView.timeField,
      allowNoIndex: true,
      sourceFilters: '[]',
      fieldAttrs: '{}',
      runtimeFieldMap: '{}',
      fieldFormatMap: JSON.stringify({ 'event.duration': nanoseconds }),
    },
    [],
  );
}

function searchObject({ id, title, description, where, columns }: Search): SavedObject {
  const source = { query: { query: where, language: 'kuery' }, filter: [], indexRefName: searchSource };
  const attributes = {
    title,
    description,
    columns,
    sort: [[dataView.timeField, 'desc']],
    grid: {},
    hideChart: true,
    isTextBasedQuery: false,
    timeRestore: false,
    kibanaSavedObjectMeta: { searchSourceJSON: JSON.stringify({ ...source, highlightAll: true, version: true }) },
  };
  return savedObject('search', id, attributes, [{ type: 'index-pattern', id: dataView.id, name: searchSource }]);
}

function dashboardObject({ id, title, description, controls, rows }: Dashboard): SavedObject {
  const placed = place(rows);
  const options = {
    useMargins: true,
    syncColors: true,
    syncCursor: true,
    syncTooltips: false,
    hidePanelTitles: false,
  };
  const attributes = {
    title,
    description,
    kibanaSavedObjectMeta: {
      searchSourceJSON: JSON.stringify({ query: { query: '', language: 'kuery' }, filter: [] }),
    },
    timeRestore: true,
    timeFrom: 'now-24h',
    timeTo: 'now',
    refreshInterval: { pause: false, value: 60_000 },
    controlGroupInput: controlGroup(controls),
    panelsJSON: JSON.stringify(placed.map(({ panel, stored }) => withContent(panel, stored))),
    optionsJSON: JSON.stringify(options),
    version: 1,
    hits: 0,
  };
  const references = [
    ...placed.flatMap(({ panel, stored }) => referencesOf(panel, stored.panelIndex)),
    ...controls.map(({ field }) => ({
      type: 'index-pattern',
      id: dataView.id,
      name: `controlGroup_${controlId(field)}:optionsListDataView`,
    })),
  ];
  return savedObject('dashboard', id, attributes, references);
}

/** Places each row below the previous one; the panels of a row share its width. */
function place(rows: Dashboard['rows']): { panel: Panel; stored: StoredPanel }[] {
  let y = 0;
  return rows.flatMap(({ height, panels }) => {
    const edge = (index: number) => Math.round((index * gridColumns) / panels.length);
    const top = y;
    y += height;
    return panels.map((panel, index) => {
      const i = panelIndexOf(panel);
      const gridData = { x: edge(index), y: top, w: edge(index + 1) - edge(index), h: height, i };
      const stored: StoredPanel = {
        type: panel.kind === 'listing' ? 'search' : 'lens',
        panelIndex: i,
        gridData,
        title: panel.title,
        embeddableConfig: { enhancements: {} },
      };
      return { panel, stored };
    });
  });
}

function withContent(panel: Panel, stored: StoredPanel): StoredPanel {
  if (panel.kind === 'listing') return { ...stored, panelRefName: `panel_${stored.panelIndex}` };
  const isMetric = panel.kind === 'metric';
  const config = { useCurrentFilters: true, useCurrentDateRange: true, openInNewTab: false };
  const event = {
    eventId: drilldownId(panel.opens ?? ''),
    // not the trigger for a click on a value: Kibana offers this action for filters only
    triggers: ['FILTER_TRIGGER'],
    action: { factoryId: 'DASHBOARD_TO_DASHBOARD_DRILLDOWN', name: 'Show user activity', config },
  };
  return {
    ...stored,
    embeddableConfig: {
      enhancements: panel.opens === undefined ? {} : { dynamicActions: { events: [event] } },
      // a metric shows its own title
      ...(isMetric && { hidePanelTitles: true }),
      attributes: lensOf(panel),
    },
  };
}

function referencesOf(panel: Panel, panelIndex: string): Reference[] {
  if (panel.kind === 'listing') {
    return [{ type: 'search', id: panel.search, name: `${panelIndex}:panel_${panelIndex}` }];
  }
  const layer = { type: 'index-pattern', id: dataView.id, name: `${panelIndex}:${layerReference}` };
  if (panel.opens === undefined) return [layer];
  const name = drilldownReference(panelIndex, drilldownId(panel.opens));
  return [layer, { type: 'dashboard', id: panel.opens, name }];
}

function controlGroup(controls: Dashboard['controls']) {
  const ignored = { ignoreFilters: false, ignoreQuery: false, ignoreTimerange: false, ignoreValidations: false };
  const panels = controls.map(({ field, title }, order): [string, StoredControl] => {
    const id = controlId(field);
    const explicitInput = {
      id,
      dataViewId: dataView.id,
      fieldName: field,
      title,
      searchTechnique: 'prefix',
      selectedOptions: [],
      sort: { by: '_count', direction: 'desc' },
    };
    return [id, { type: 'optionsListControl', order, grow: true, width: 'medium', explicitInput }];
  });
  return {
    controlStyle: 'oneLine',
    chainingSystem: 'HIERARCHICAL',
    showApplySelections: false,
    ignoreParentSettingsJSON: JSON.stringify(ignored),
    panelsJSON: JSON.stringify(Object.fromEntries(panels)),
  };
}

/** Returns an id without colons, because Kibana splits the names of references at colons. */
function slug(text: string): string {
  return text.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-');
}

function panelIndexOf(panel: Panel): string {
  return slug(panel.title);
}

function controlId(field: string): string {
  return `by-${slug(field)}`;
}

function drilldownId(dashboard: string): string {
  return `open-${slug(dashboard)}`;
}
