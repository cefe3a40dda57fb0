/**
 * Checks a file of saved objects without events. For most of these problems Kibana answers an import with 200 and draws
 * an empty panel.
 */

import { parseKql } from './kql.ts';
import {
  type Column,
  controlsOf,
  coreMigrationVersion,
  drilldownReference,
  type Formula,
  type Layer,
  type Lens,
  panelsOf,
  queryTextOf,
  type Reference,
  readSavedObjects,
  type SavedObject,
  type StoredPanel,
  typeMigrationVersions,
} from './saved-object.ts';

const attributesByType: Readonly<Record<string, readonly string[]>> = {
  'index-pattern':
    'title name timeFieldName allowNoIndex sourceFilters fieldAttrs runtimeFieldMap fieldFormatMap'.split(' '),
  search: 'title description columns sort grid hideChart isTextBasedQuery timeRestore kibanaSavedObjectMeta'.split(' '),
  dashboard: (
    'title description kibanaSavedObjectMeta timeRestore timeFrom timeTo refreshInterval controlGroupInput panelsJSON ' +
    'optionsJSON version hits'
  ).split(' '),
};

/** Paths of the attributes that hold JSON as text. */
const jsonTexts: Readonly<Record<string, readonly string[]>> = {
  'index-pattern': ['sourceFilters', 'fieldAttrs', 'runtimeFieldMap', 'fieldFormatMap'],
  search: ['kibanaSavedObjectMeta.searchSourceJSON'],
  dashboard: [
    'panelsJSON',
    'optionsJSON',
    'kibanaSavedObjectMeta.searchSourceJSON',
    'controlGroupInput.panelsJSON',
    'controlGroupInput.ignoreParentSettingsJSON',
  ],
};

const gridColumns = 48;

/** Returns one line for each problem of the file; none when it is valid. */
export function structureProblems(ndjson: string): string[] {
  let objects: SavedObject[];
  try {
    objects = readSavedObjects(ndjson);
  } catch (err) {
    return [`A line is not JSON: ${(err as Error).message}`];
  }
  return [
    ...duplicates(objects.map(({ type, id }) => `${type} ${id}`)),
    ...objects.flatMap((object) => objectProblems(object, objects)),
  ];
}

function objectProblems(object: SavedObject, all: SavedObject[]): string[] {
  const basic = [...versionProblems(object), ...attributeProblems(object)];
  const broken = jsonProblems(object);
  // references and content can only be read from valid JSON
  const deep = broken.length > 0 ? broken : [...referenceProblems(object, all), ...contentProblems(object)];
  return [...basic, ...deep].map((problem) => `${object.id}: ${problem}`);
}

function versionProblems({ type, ...object }: SavedObject): string[] {
  const known = typeMigrationVersions[type];
  if (known === undefined) return [`${type} is an unknown type`];
  const isTooNew = (version: string, max: string) => version.localeCompare(max, 'en', { numeric: true }) > 0;
  const versions = [
    ['typeMigrationVersion', object.typeMigrationVersion, known],
    ['coreMigrationVersion', object.coreMigrationVersion, coreMigrationVersion],
  ] as const;
  return versions.flatMap(([name, version, max]) => {
    if (!/^\d+\.\d+\.\d+$/.test(version ?? '')) return [`${name} is missing or not a version`];
    return isTooNew(version, max) ? [`${name} ${version} is newer than ${max}`] : [];
  });
}

function attributeProblems({ type, attributes }: SavedObject): string[] {
  const allowed = attributesByType[type] ?? [];
  const unknown = Object.keys(attributes).filter((name) => !allowed.includes(name));
  return [...unknown.map((name) => `attribute ${name} is unknown`), ...(attributes.title ? [] : ['it has no title'])];
}

function jsonProblems({ type, attributes }: SavedObject): string[] {
  return (jsonTexts[type] ?? []).flatMap((path) => {
    const text = path
      .split('.')
      .reduce<unknown>((at, key) => (at as Record<string, unknown> | undefined)?.[key], attributes);
    try {
      if (typeof text === 'string') JSON.parse(text);
      else return [`${path} is not text`];
    } catch {
      return [`${path} is not JSON`];
    }
    return [];
  });
}

/** Checks that every reference leads to an object of the file and is used, and that every used name is a reference. */
function referenceProblems(object: SavedObject, all: SavedObject[]): string[] {
  const names = object.references.map(({ name }) => name);
  const used = usedReferences(object);
  const isThere = ({ type, id }: Reference) => all.some((other) => other.type === type && other.id === id);
  return [
    ...object.references
      .filter((reference) => !isThere(reference))
      .map(({ type, id }) => `${type} ${id} is not in the file`),
    ...used.filter((name) => !names.includes(name)).map((name) => `reference ${name} is missing`),
    ...names.filter((name) => !used.includes(name)).map((name) => `reference ${name} is not used`),
    ...duplicates(names.map((name) => `reference ${name}`)),
  ];
}

function usedReferences(object: SavedObject): string[] {
  if (object.type === 'search') return ['kibanaSavedObjectMeta.searchSourceJSON.index'];
  if (object.type !== 'dashboard') return [];
  const controls = Object.keys(controlsOf(object)).map((id) => `controlGroup_${id}:optionsListDataView`);
  return [...panelsOf(object).flatMap(usedByPanel), ...controls];
}

function usedByPanel({ panelIndex, panelRefName, embeddableConfig }: StoredPanel): string[] {
  const { attributes, enhancements } = embeddableConfig;
  const layers = Object.keys(attributes?.state.datasourceStates.formBased.layers ?? {});
  return [
    ...(panelRefName === undefined ? [] : [`${panelIndex}:${panelRefName}`]),
    ...layers.map((layer) => `${panelIndex}:indexpattern-datasource-layer-${layer}`),
    ...(enhancements.dynamicActions?.events ?? []).map(({ eventId }) => drilldownReference(panelIndex, eventId)),
  ];
}

function contentProblems(object: SavedObject): string[] {
  if (object.type === 'index-pattern') return [];
  const own = kqlProblems(queryTextOf(object));
  if (object.type !== 'dashboard') return own;
  const panels = panelsOf(object);
  return [
    ...own,
    ...duplicates(panels.map(({ panelIndex }) => `panel ${panelIndex}`)),
    ...gridProblems(panels),
    ...panels.flatMap((panel) => panelProblems(panel).map((problem) => `${panel.title}: ${problem}`)),
  ];
}

function gridProblems(panels: StoredPanel[]): string[] {
  return panels.flatMap(({ panelIndex, gridData: a, title }, index) => {
    const over = panels
      .slice(index + 1)
      .filter(({ gridData: b }) => a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h);
    return [
      ...(a.i === panelIndex ? [] : [`${title}: its place belongs to ${a.i}`]),
      ...(a.x >= 0 && a.w > 0 && a.h > 0 && a.x + a.w <= gridColumns ? [] : [`${title}: it leaves the grid`]),
      ...over.map((other) => `${title}: it overlaps ${other.title}`),
    ];
  });
}

function panelProblems({ type, embeddableConfig, panelRefName }: StoredPanel): string[] {
  const { attributes, enhancements } = embeddableConfig;
  const triggers = (enhancements.dynamicActions?.events ?? []).flatMap((event) => event.triggers);
  const wrong = triggers
    .filter((trigger) => trigger !== 'FILTER_TRIGGER')
    .map((trigger) => `no drilldown at ${trigger}`);
  if (type === 'search') return panelRefName === undefined ? ['it names no saved search'] : [];
  if (type !== 'lens' || attributes === undefined) return [`${type} is an unknown type of panel`];
  return [...wrong, ...lensProblems(attributes)];
}

function lensProblems(lens: Lens): string[] {
  const layers = Object.entries(lens.state.datasourceStates.formBased.layers);
  const own = layers.map(([id]) => `indexpattern-datasource-layer-${id}`);
  const names = lens.references.map(({ name }) => name);
  return [
    ...kqlProblems(lens.state.query.query),
    ...own.filter((name) => !names.includes(name)).map((name) => `its own reference ${name} is missing`),
    ...layers.flatMap(([, layer]) => [
      ...orderProblems(layer),
      ...Object.entries(layer.columns).flatMap(([id, column]) => columnProblems(id, column, layer)),
    ]),
    ...layers.flatMap(([, layer]) => drawingProblems(lens, layer)),
  ];
}

/** Checks that every column is listed once, buckets come first, and the time bucket is the innermost. */
function orderProblems({ columns, columnOrder }: Layer): string[] {
  const bucketed = columnOrder.map((id) => columns[id]?.isBucketed ?? false);
  const buckets = columnOrder.filter((id) => columns[id]?.isBucketed);
  const time = buckets.findIndex((id) => columns[id]?.operationType === 'date_histogram');
  return [
    ...(columnOrder.toSorted().join() === Object.keys(columns).sort().join()
      ? []
      : ['columnOrder does not list every column']),
    ...(bucketed.lastIndexOf(true) < buckets.length ? [] : ['columnOrder has a metric before a bucket']),
    ...(time === -1 || time === buckets.length - 1 ? [] : ['time is split before the values']),
  ];
}

function columnProblems(id: string, column: Column, layer: Layer): string[] {
  const { params = {}, references = [], operationType } = column;
  const order = params.orderBy?.type === 'column' ? layer.columns[params.orderBy.columnId] : undefined;
  const isComputed = operationType === 'formula' || operationType === 'math';
  const lost = [...references, ...columnsOf(params.tinymathAst)].filter((name) => layer.columns[name] === undefined);
  const problems = [
    ...(isComputed && references.length === 0 ? ['the formula is not expanded'] : []),
    ...(params.missingBucket && !params.otherBucket ? ['missingBucket needs otherBucket'] : []),
    ...(params.orderBy?.type === 'column' && order === undefined ? ['it is ordered by no column'] : []),
    ...(order?.operationType === 'formula' || order?.isBucketed ? ['it is ordered by a formula or bucket'] : []),
    ...lost.map((name) => `there is no column ${name}`),
    ...kqlProblems(column.filter?.query ?? ''),
    ...(params.filters ?? []).flatMap(({ input }) => kqlProblems(input.query)),
  ];
  return problems.map((problem) => `${id}: ${problem}`);
}

function columnsOf(formula: Formula | undefined): string[] {
  if (typeof formula === 'string') return [formula];
  return typeof formula === 'object' ? formula.args.flatMap(columnsOf) : [];
}

/** The properties in which a visualization names columns, and whether they are buckets or metrics there. */
const places: Readonly<Record<string, 'bucket' | 'metric' | 'any'>> = {
  metricAccessor: 'metric',
  valueAccessor: 'metric',
  accessors: 'metric',
  metrics: 'metric',
  xAccessor: 'bucket',
  yAccessor: 'bucket',
  splitAccessor: 'bucket',
  primaryGroups: 'bucket',
  columnId: 'any',
};
const visualisations = ['lnsMetric', 'lnsXY', 'lnsDatatable', 'lnsPie', 'lnsHeatmap'];

function drawingProblems({ visualizationType, state }: Lens, { columns }: Layer): string[] {
  const named = accessorsIn(state.visualization);
  const wrong = named.filter(({ place, id }) => {
    const column = columns[id];
    return column === undefined || (places[place] !== 'any' && column.isBucketed !== (places[place] === 'bucket'));
  });
  return [
    ...(visualisations.includes(visualizationType) ? [] : [`${visualizationType} is an unknown visualization`]),
    ...(named.length === 0 ? ['it draws no column'] : []),
    ...wrong.map(({ place, id }) => `${place} cannot be ${id}`),
  ];
}

function accessorsIn(part: unknown): { place: string; id: string }[] {
  if (typeof part !== 'object' || part === null) return [];
  return Object.entries(part).flatMap(([place, value]: [string, unknown]) =>
    place in places ? [value].flat().map((id) => ({ place, id: String(id) })) : accessorsIn(value),
  );
}

function kqlProblems(text: string): string[] {
  try {
    parseKql(text);
    return [];
  } catch (err) {
    return [(err as Error).message];
  }
}

function duplicates(names: string[]): string[] {
  return names.filter((name, index) => names.indexOf(name) < index).map((name) => `${name} is there twice`);
}
