/**
 * `npm run kibana:pictures`: draws a PNG of each dashboard into dist/kibana, from the events of the Elasticsearch at
 * `ELASTICSEARCH_URL` (with `ELASTICSEARCH_API_KEY` and `ELASTICSEARCH_CA` if it needs them). The pictures are drawn
 * here, not by Kibana, and say so.
 *
 * `-- --from 2026-03-02T12:00:00Z --to 2026-03-03T12:00:00Z` selects a time range; the last 24 hours by default
 * `-- --index auth-logs-*` selects other indices
 * `-- --sample` uses the sample of the tests, stored temporarily
 * `-- --out docs/images` writes to another folder
 */
import { mkdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { connectElastic, type ElasticOptions } from '../adapters/elastic/connect.ts';
import { openChromium } from '../engines/chromium.ts';
import { Secret } from '../platform/config/secret.ts';
import { drawLens, drawSearch, escaped, type Room } from './drawings.ts';
import { type Events, openEvents, type Range } from './events.ts';
import { runLens, runSearch } from './run-panel.ts';
import { sampleDay } from './sample-day.ts';
import { storeSample } from './sample-index.ts';
import { dataView, panelsOf, readSavedObjects, type SavedObject, type StoredPanel } from './saved-object.ts';

const columnWidth = 26;
const rowHeight = 20;
const titleHeight = 26;
const padding = 8;

/** Returns the page of a dashboard with its panels. @throws {Error} Elasticsearch is unavailable or refuses a panel */
export async function pageOf(
  dashboard: SavedObject,
  all: SavedObject[],
  events: Events,
  range: Range,
): Promise<string> {
  const panels = await Promise.all(panelsOf(dashboard).map((panel) => boxOf(panel, dashboard, all, events, range)));
  const bottom = Math.max(...panelsOf(dashboard).map(({ gridData: { y, h } }) => y + h)) * rowHeight;
  const { title, description } = dashboard.attributes as Record<string, string>;
  const note = `Drawn by Vyry from the same panels; not a picture of Kibana. Events from ${range.from} to ${range.to}.`;
  return `<!doctype html><meta charset="utf-8"><style>${style}</style>
<h1>${escaped(title ?? '')}</h1><p>${escaped(description ?? '')}</p>
<main style="height:${bottom}px">${panels.join('')}</main><p>${escaped(note)}</p>`;
}

async function boxOf(
  panel: StoredPanel,
  dashboard: SavedObject,
  all: SavedObject[],
  events: Events,
  range: Range,
): Promise<string> {
  const { x, y, w, h } = panel.gridData;
  const { hidePanelTitles = false, attributes } = panel.embeddableConfig;
  const heading = hidePanelTitles ? '' : `<h2>${escaped(panel.title)}</h2>`;
  const room: Room = {
    width: w * columnWidth - 2 * padding - 6,
    height: h * rowHeight - 2 * padding - 6 - (hidePanelTitles ? 0 : titleHeight),
  };
  const place = `left:${x * columnWidth}px;top:${y * rowHeight}px;width:${w * columnWidth - 6}px;height:${h * rowHeight - 6}px`;
  const content =
    attributes === undefined
      ? drawSearch(await runSearch(searchOf(panel, dashboard, all), events, range, 20), room)
      : drawLens(attributes, await runLens(attributes, events, range), room);
  return `<section style="${place}">${heading}${content}</section>`;
}

function searchOf({ panelIndex, title }: StoredPanel, dashboard: SavedObject, all: SavedObject[]): SavedObject {
  const reference = dashboard.references.find(({ name }) => name === `${panelIndex}:panel_${panelIndex}`);
  const search = all.find(({ type, id }) => type === 'search' && id === reference?.id);
  if (search === undefined) throw new Error(`${title} has no saved search`);
  return search;
}

const style = `
* { box-sizing: border-box; margin: 0 }
body { width: ${48 * columnWidth + 20}px; padding: 12px; background: #f4f6fa; color: #2b3648; font: 12px sans-serif }
h1 { font-size: 18px } p { margin: 4px 0 10px; color: #5f6f86 }
main { position: relative }
section { position: absolute; background: #fff; border: 1px solid #e3e7ee; padding: ${padding}px; overflow: hidden }
h2 { font-size: 13px; height: ${titleHeight}px }
svg { display: block } text { font: 11px sans-serif; fill: #44546a }
.metric { height: 100%; display: flex; flex-direction: column; justify-content: space-between }
.metric b { font-size: 26px; font-weight: 500; white-space: nowrap }
table { width: 100%; border-collapse: collapse; table-layout: auto }
td, th { height: 21px; padding: 0 6px; text-align: left; border-bottom: 1px solid #eef1f6; white-space: nowrap; overflow: hidden; max-width: 230px; text-overflow: ellipsis }
`;

async function draw(events: Events, range: Range, folder: string): Promise<void> {
  const objects = readSavedObjects(readFileSync(join(import.meta.dirname, 'vyry.ndjson'), 'utf8'));
  await using browser = await openChromium();
  const page = await browser.newPage({ javaScriptEnabled: false });
  mkdirSync(folder, { recursive: true });
  for (const dashboard of objects.filter(({ type }) => type === 'dashboard')) {
    await page.setContent(await pageOf(dashboard, objects, events, range));
    const path = join(folder, `kibana-${dashboard.id.replace(/^vyry-/, '')}.png`);
    await page.locator('html').screenshot({ path });
    console.log(path);
  }
}

async function main(): Promise<void> {
  const option = (usual: string) => ({ type: 'string', default: usual }) as const;
  const day = 24 * 3_600_000;
  const { values } = parseArgs({
    options: {
      from: option(new Date(Date.now() - day).toISOString()),
      to: option(new Date().toISOString()),
      index: option(dataView.title),
      out: option('dist/kibana'),
      sample: { type: 'boolean', default: false },
    },
  });
  await using stack = new AsyncDisposableStack();
  const elastic = stack.adopt(connectElastic(readElastic(process.env)), (client) => client.close());
  const folder = resolve(import.meta.dirname, '..', values.out);
  if (!values.sample)
    return await draw(openEvents(elastic, values.index), { from: values.from, to: values.to }, folder);
  const sample = stack.use(await storeSample(elastic));
  await draw(sample.events, sampleDay, folder);
}

/** @throws {Error} the URL is missing */
function readElastic({
  ELASTICSEARCH_URL,
  ELASTICSEARCH_API_KEY,
  ELASTICSEARCH_CA,
}: NodeJS.ProcessEnv): ElasticOptions {
  if (!ELASTICSEARCH_URL) throw new Error('ELASTICSEARCH_URL is missing: the Elasticsearch with the events');
  return {
    url: ELASTICSEARCH_URL,
    ...(ELASTICSEARCH_API_KEY && { apiKey: new Secret(ELASTICSEARCH_API_KEY) }),
    ...(ELASTICSEARCH_CA && { ca: new Secret(ELASTICSEARCH_CA) }),
  };
}

if (import.meta.main) {
  await main().catch((err: unknown) => {
    console.error((err as Error).message);
    process.exitCode = 1;
  });
}
