/** A headless Chromium for pictures of pages. */
import { existsSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';

const places = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** Returns whether this machine has a Chromium. */
export function hasChromium(): boolean {
  return places.some(existsSync);
}

/** Starts the Chromium of this machine. @throws {Error} no Chromium is installed */
export async function openChromium(): Promise<Browser> {
  const executablePath = places.find(existsSync);
  if (executablePath === undefined) throw new Error(`There is no Chromium: looked for ${places.join(', ')}`);
  return chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu', '--disable-lcd-text'] });
}
