/**
 * Writes a chart as a Lens panel: form-based layers only, with every formula expanded, because Kibana draws an
 * unexpanded formula as an empty value.
 */
import { fieldType } from './fields.ts';
import type { Chart, Group, Measure, Ratio } from './panels.ts';
import { type Column, dataView, type Layer, type Lens, type StoredQuery } from './saved-object.ts';

/** Id of the one layer of each panel. */
const layerId = 'layer';

/** Name of the reference from a layer to its data view. */
export const layerReference = `indexpattern-datasource-layer-${layerId}`;

/**
 * Returns the Lens attributes of a chart.
 *
 * @throws {RangeError} the chart names a field that the index does not have
 */
export function lensOf(chart: Chart): Lens {
  const layer = layerOf(chart);
  return {
    title: chart.title,
    type: 'lens',
    visualizationType: drawings[chart.kind].type,
    references: [{ type: 'index-pattern', id: dataView.id, name: layerReference }],
    state: {
      query: stored(chart.where),
      filters: [],
      visualization: drawings[chart.kind].state(shapeOf(layer), chart),
      datasourceStates: { formBased: { layers: { [layerId]: layer } }, textBased: { layers: {} } },
      internalReferences: [],
      adHocDataViews: {},
    },
  };
}

function layerOf(chart: Chart): Layer {
  const measures = chart.measures.map((measure, index) => ({ measure, id: `measure${index}` }));
  const columns: Record<string, Column> = Object.fromEntries([
    ...chart.groups.map((group, index) => [`group${index}`, bucketOf(group)]),
    ...measures.map(({ measure, id }) => [id, measure.of === 'ratio' ? ratioOf(measure, id) : metricOf(measure)]),
    ...measures.flatMap(({ measure, id }) => (measure.of === 'ratio' ? ratioParts(measure, id) : [])),
  ]);
  return {
    columns,
    columnOrder: Object.keys(columns),
    incompleteColumns: {},
    sampling: 1,
    ignoreGlobalFilters: false,
  };
}

function bucketOf(group: Group): Column {
  if (group.of === 'time') {
    return {
      ...named('Time'),
      operationType: 'date_histogram',
      dataType: 'date',
      isBucketed: true,
      scale: 'interval',
      sourceField: dataView.timeField,
      params: { interval: 'auto', includeEmptyRows: true, dropPartials: false },
    };
  }
  if (group.of === 'cases') {
    const filters = Object.entries(group.cases).map(([label, where]) => ({ label, input: stored(where) }));
    return {
      ...named(group.label),
      operationType: 'filters',
      dataType: 'string',
      isBucketed: true,
      scale: 'ordinal',
      params: { filters },
    };
  }
  return {
    ...named(group.label),
    operationType: 'terms',
    dataType: dataTypeOf(group.field),
    isBucketed: true,
    scale: 'ordinal',
    sourceField: group.field,
    params: {
      size: group.size,
      orderBy: { type: 'column', columnId: 'measure0' },
      orderDirection: 'desc',
      otherBucket: false,
      missingBucket: false,
      parentFormat: { id: 'terms' },
      include: [],
      exclude: [],
      includeIsRegex: false,
      excludeIsRegex: false,
    },
  };
}

const operations = {
  count: 'count',
  distinct: 'unique_count',
  sum: 'sum',
  min: 'min',
  max: 'max',
  percentile: 'percentile',
} as const;

function metricOf(measure: Measure): Column {
  const isDate = measure.field !== undefined && fieldType(measure.field) === 'date' && measure.of !== 'distinct';
  return {
    ...named(measure.label),
    operationType: operations[measure.of],
    dataType: isDate ? 'date' : 'number',
    isBucketed: false,
    scale: isDate ? 'interval' : 'ratio',
    sourceField: measure.field ?? '___records___',
    ...(measure.where && { filter: stored(measure.where) }),
    params: {
      ...((measure.of === 'count' || measure.of === 'distinct' || measure.of === 'sum') && { emptyAsNull: false }),
      ...(measure.percent !== undefined && { percentile: measure.percent }),
    },
  };
}

function ratioOf(ratio: Ratio, id: string): Column {
  return {
    ...named(ratio.label),
    operationType: 'formula',
    dataType: 'number',
    isBucketed: false,
    scale: 'ratio',
    params: {
      formula: formulaOf(ratio),
      isFormulaBroken: false,
      format: { id: 'percent', params: { decimals: 1 } },
    },
    references: [`${id}X2`],
  };
}

/** Returns the two counts and their quotient, from which Kibana computes the formula. */
function ratioParts(ratio: Ratio, id: string): [id: string, column: Column][] {
  const label = `Part of ${ratio.label}`;
  const text = formulaOf(ratio);
  const args = [`${id}X0`, `${id}X1`];
  const quotient: Column = {
    ...named(label),
    operationType: 'math',
    dataType: 'number',
    isBucketed: false,
    scale: 'ratio',
    params: {
      tinymathAst: { type: 'function', name: 'divide', args, location: { min: 0, max: text.length }, text },
    },
    references: args,
  };
  return [
    [`${id}X0`, metricOf({ label, of: 'count', where: ratio.part })],
    [`${id}X1`, metricOf({ label, of: 'count', where: ratio.whole })],
    [`${id}X2`, quotient],
  ];
}

function formulaOf({ part, whole }: Ratio): string {
  const counted = (where: string) => (where === '' ? 'count()' : `count(kql='${where}')`);
  return `${counted(part)} / ${counted(whole)}`;
}

/** The columns by their position in a visualization. */
interface Shape {
  groups: string[];
  measures: string[];
  time: string | undefined;
  split: string | undefined;
}

function shapeOf(layer: Layer): Shape {
  const groups = layer.columnOrder.filter((id) => layer.columns[id]?.isBucketed);
  const measures = layer.columnOrder.filter((id) => /^measure\d+$/.test(id));
  const time = groups.find((id) => layer.columns[id]?.operationType === 'date_histogram');
  return { groups, measures, time, split: groups.find((id) => id !== time) };
}

const base = { layerId, layerType: 'data' };

/** The Lens type of each visualization and its state. */
const drawings: Record<
  Chart['kind'],
  { type: string; state: (shape: Shape, chart: Chart) => Record<string, unknown> }
> = {
  metric: { type: 'lnsMetric', state: ({ measures }) => ({ ...base, metricAccessor: measures[0] }) },
  bars: { type: 'lnsXY', state: (shape) => xy('bar_stacked', shape, shape.time, shape.split) },
  lines: { type: 'lnsXY', state: (shape) => xy('line', shape, shape.time, shape.split) },
  ranking: {
    type: 'lnsXY',
    state: (shape) => xy('bar_horizontal_stacked', shape, shape.groups[0], shape.groups[1]),
  },
  donut: {
    type: 'lnsPie',
    state: ({ groups, measures }) => ({
      shape: 'donut',
      layers: [
        {
          ...base,
          primaryGroups: groups,
          metrics: measures,
          numberDisplay: 'percent',
          categoryDisplay: 'default',
          legendDisplay: 'show',
          nestedLegend: false,
        },
      ],
    }),
  },
  heatmap: {
    type: 'lnsHeatmap',
    state: ({ time, split, measures }) => ({
      ...base,
      shape: 'heatmap',
      xAccessor: time,
      yAccessor: split,
      valueAccessor: measures[0],
      gridConfig: {
        type: 'heatmap_grid',
        isCellLabelVisible: false,
        isXAxisLabelVisible: true,
        isXAxisTitleVisible: false,
        isYAxisLabelVisible: true,
        isYAxisTitleVisible: false,
      },
      legend: { type: 'heatmap_legend', isVisible: true, position: 'right' },
    }),
  },
  table: {
    type: 'lnsDatatable',
    state: ({ groups, measures }, { opens }) => ({
      ...base,
      columns: [
        ...groups.map((columnId, index) => ({ columnId, oneClickFilter: opens !== undefined && index === 0 })),
        ...measures.map((columnId) => ({ columnId })),
      ],
      sorting: { columnId: measures[0], direction: 'desc' },
      paging: { size: 10, enabled: true },
    }),
  },
};

function xy(seriesType: string, { measures }: Shape, x: string | undefined, split: string | undefined) {
  const shown = { x: true, yLeft: true, yRight: true };
  return {
    legend: { isVisible: true, position: 'right' },
    valueLabels: 'hide',
    fittingFunction: 'Zero',
    preferredSeriesType: seriesType,
    axisTitlesVisibilitySettings: { x: false, yLeft: false, yRight: false },
    tickLabelsVisibilitySettings: shown,
    gridlinesVisibilitySettings: shown,
    labelsOrientation: { x: 0, yLeft: 0, yRight: 0 },
    layers: [
      {
        ...base,
        seriesType,
        xAccessor: x,
        ...(split !== undefined && { splitAccessor: split }),
        accessors: measures,
      },
    ],
  };
}

function named(label: string): Pick<Column, 'label' | 'customLabel'> {
  return { label, customLabel: true };
}

function stored(query: string): StoredQuery {
  return { query, language: 'kuery' };
}

function dataTypeOf(field: string): string {
  const type = fieldType(field);
  if (type === 'ip' || type === 'date') return type;
  return type === 'long' || type === 'short' ? 'number' : 'string';
}
