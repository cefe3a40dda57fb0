/** A headless Chromium for pictures and tests of pages. */
import { existsSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';

const places = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** What to say where no Chromium is installed. */
export const noChromium = `There is no Chromium: looked for ${places.join(', ')}`;

/** Returns the program of the Chromium of this machine, or undefined if there is none. */
export function chromiumPath(): string | undefined {
  return places.find((path) => existsSync(path));
}

/** Starts the Chromium of this machine, with further arguments. @throws {Error} no Chromium is installed */
export async function openChromium(further: readonly string[] = []): Promise<Browser> {
  const executablePath = chromiumPath();
  if (executablePath === undefined) throw new Error(noChromium);
  const args = ['--no-sandbox', '--disable-gpu', '--disable-lcd-text', ...further];
  return chromium.launch({ executablePath, args });
}
