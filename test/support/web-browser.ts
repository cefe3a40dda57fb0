/**
 * The page at /app in profiles of a Chromium, used by keyboard only. What is looked at is checked for accessibility, on a
 * screen of 320 pixels and from right to left. `VYRY_PICTURES=<folder>` keeps a picture of each.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import process from 'node:process';
import type { Browser, BrowserContext, Locator, Page } from 'playwright-core';
import { openChromium } from '../../engines/chromium.ts';
import { hangMs } from './until.ts';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const pictures = process.env.VYRY_PICTURES;

/** Sizes of the window: a desk, and the narrowest phone (WCAG 2.2, reflow). */
const wide = { width: 1024, height: 768 };
const narrow = { width: 320, height: 640 };
/** More elements than any screen has that the Tab key reaches. */
const tabsMax = 120;

/** A tab of a profile. */
export interface WebTab {
  page: Page;
  /** Moves the focus to an element with the Tab key. @throws {Error} the key does not reach it */
  reach(target: Locator): Promise<void>;
  /** Reaches a link of the navigation by its name, and presses Enter. */
  go(name: string): Promise<void>;
  /** Reaches a button or a link of the screen by its name, and presses Enter. */
  press(name: string): Promise<void>;
  /** Reaches a field by its label, and types. */
  write(label: string, text: string): Promise<void>;
  /** Waits for the heading of a screen. */
  untilHeading(title: string): Promise<void>;
  /** Waits for a text. */
  untilText(text: string | RegExp): Promise<void>;
  /** Checks the accessibility of the screen in light and dark, at 320 pixels, and from right to left. */
  look(name: string): Promise<void>;
}

/** A profile: what it stores is its own. */
interface Profile {
  context: BrowserContext;
  /** Opens the page at /app in a new tab. */
  open(): Promise<WebTab>;
}

/** A browser. */
interface WebBrowser extends AsyncDisposable {
  browser: Browser;
  createProfile(): Promise<Profile>;
  /** What pages have logged as an error, or not handled. */
  problems: string[];
}

/** Starts a browser, with further arguments, for the page of an api. */
export async function openWebBrowser(origin: string, flags: readonly string[] = []): Promise<WebBrowser> {
  const browser = await openChromium(flags);
  const problems: string[] = [];
  return {
    browser,
    problems,
    async createProfile() {
      const context = await browser.newContext({ viewport: wide, locale: 'en-GB', colorScheme: 'light' });
      context.setDefaultTimeout(hangMs);
      return {
        context,
        async open() {
          const page = await context.newPage();
          page.on('pageerror', (err) => problems.push(String(err.stack)));
          page.on('console', (message) => {
            if (/Content Security Policy|Trusted/.test(message.text())) problems.push(message.text());
          });
          await page.goto(`${origin}/app`);
          return tabOf(page);
        },
      };
    },
    [Symbol.asyncDispose]: () => browser.close(),
  };
}

function tabOf(page: Page): WebTab {
  const reach = (target: Locator) => reachByKeyboard(page, target);
  return {
    page,
    reach,
    async go(name) {
      await reach(page.getByRole('navigation').getByRole('link', { name, exact: true }));
      await page.keyboard.press('Enter');
    },
    async press(name) {
      const main = page.getByRole('main');
      const named = { name, exact: true };
      await reach(main.getByRole('button', named).or(main.getByRole('link', named)).first());
      await page.keyboard.press('Enter');
    },
    async write(label, text) {
      await reach(page.getByLabel(label, { exact: true }).first());
      await page.keyboard.press('ControlOrMeta+A');
      await page.keyboard.insertText(text);
    },
    untilHeading: (name) => page.getByRole('heading', { level: 1, name, exact: true }).waitFor(),
    untilText: (text) => page.getByText(text).first().waitFor(),
    look: (name) => lookAt(page, name),
  };
}

async function reachByKeyboard(page: Page, target: Locator): Promise<void> {
  await target.waitFor();
  for (let tabs = 0; tabs < tabsMax; tabs += 1) {
    if (await target.evaluate((element) => element === document.activeElement)) return;
    await page.keyboard.press('Tab');
  }
  throw new Error(`The Tab key does not reach ${target}`);
}

async function lookAt(page: Page, name: string): Promise<void> {
  const language = page.locator('footer select');
  await page.evaluate(() => Promise.all(document.getAnimations().map(({ finished }) => finished)));
  assert.deepEqual(await findViolations(page), [], `${name}, light`);
  await keepPicture(page, `${name}-light`);
  await page.emulateMedia({ colorScheme: 'dark' });
  assert.deepEqual(await findViolations(page, ['color-contrast']), [], `${name}, dark`);
  await keepPicture(page, `${name}-dark`);
  await page.emulateMedia({ colorScheme: 'light' });
  await page.setViewportSize(narrow);
  assert.deepEqual(await findOverflow(page), [], `${name}, 320 pixels`);
  await keepPicture(page, `${name}-320`);
  await language.selectOption('ar');
  await page.locator('html[dir=rtl]').waitFor();
  assert.deepEqual(await findOverflow(page), [], `${name}, 320 pixels from right to left`);
  await keepPicture(page, `${name}-arabic`);
  await language.selectOption('en');
  await page.locator('html[dir=ltr]').waitFor();
  await page.setViewportSize(wide);
}

/** Returns what axe finds: by rule, with the elements. */
async function findViolations(page: Page, rules?: string[]): Promise<string[]> {
  // the DevTools protocol runs it: the policy of the page allows no other script
  await page.evaluate(axe);
  return await page.evaluate(async (only) => {
    const { axe } = globalThis as unknown as { axe: { run(options: object): Promise<AxeResults> } };
    const { violations } = await axe.run(only ? { runOnly: { type: 'rule', values: only } } : {});
    return violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html}`));
  }, rules);
}

interface AxeResults {
  violations: { id: string; nodes: { html: string }[] }[];
}

/** Returns the elements that are wider than the window, if it has to be scrolled to the side. */
async function findOverflow(page: Page): Promise<string[]> {
  return await page.evaluate(() => {
    const { clientWidth, scrollWidth } = document.documentElement;
    if (scrollWidth <= clientWidth) return [];
    return [...document.querySelectorAll('body *')]
      .filter((element) => {
        const { left, right } = element.getBoundingClientRect();
        return left < -1 || right > clientWidth + 1;
      })
      .map((element) => element.outerHTML.slice(0, 200));
  });
}

async function keepPicture(page: Page, name: string): Promise<void> {
  if (pictures !== undefined) await page.screenshot({ path: join(pictures, `${name}.png`), fullPage: true });
}
