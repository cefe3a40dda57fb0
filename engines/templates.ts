/**
 * `npm run templates`: writes every message that Vyry sends to people, in every language, to one page,
 * dist/templates/index.html, and takes a picture of it where Chromium is installed. Languages without a font on this
 * machine show boxes.
 *
 * `-- --out docs/images` writes the picture to another folder.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { appLinkOf, type LinkUse, linkOf } from '../domain/message-links.ts';
import { notificationKinds } from '../domain/notifications.ts';
import { languages } from '../domain/templates/languages.ts';
import {
  codeMail,
  codeSms,
  type MailText,
  type MessageContext,
  notificationMail,
  type RecoveryContext,
  recoveryMail,
} from '../domain/templates/messages.ts';
import { smsSize } from '../domain/templates/segments.ts';
import type { Templates } from '../domain/templates/template.ts';
import { openChromium } from './chromium.ts';

const facts: MessageContext = { product: 'Vyry', code: '123456', minutes: 3 };
const pages = { publicUrl: 'https://vyry.example.org' };
const link = (use: LinkUse) => linkOf(use, 'x'.repeat(43), pages);
const recovery: RecoveryContext = {
  product: 'Vyry',
  link: link('choose-password'),
  stopLink: link('stop-recovery'),
  minutes: 30,
};
const notification = {
  product: 'Vyry',
  at: Date.UTC(2026, 0, 31, 12),
  client: 'ios',
  stopLink: link('stop-registration'),
} as const;
const appLink = appLinkOf(pages);
const pageWidth = 1650;

/** Returns the table of docs/messages.md: the SMS in every language and its segments. */
export function smsTable(): string {
  const rows = languages.map((texts) => {
    const body = codeSms(texts, facts, 'AbCdEfGhIjK');
    const { alphabet, units, segments } = smsSize(body);
    return `| ${texts.tag} | ${alphabet} | ${units} | ${segments} | ${body.replace('\n', ' ⏎ ')} |`;
  });
  return [
    '| language | alphabet | units of 160 or 70 | segments | SMS (`Vyry`, with the line for Android) |',
    '|---|---|---|---|---|',
    ...rows,
  ].join('\n');
}

/** Returns a page with every mail in every language, as HTML and as text. */
export function mailPage(): string {
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Mails of Vyry</title><style>
body { margin: 12px; width: ${pageWidth}px; font: 12px sans-serif; background: #e8ebf0; color: #1a1a1a }
section { display: grid; grid-template-columns: repeat(${notificationKinds.length + 2}, 1fr); gap: 6px; margin-bottom: 18px }
h2 { grid-column: 1 / -1; margin: 0 }
iframe, pre { display: block; box-sizing: border-box; width: 100%; border: 0; background: #fff }
pre { margin: 0; padding: 8px; font: 11px monospace; white-space: pre-wrap; overflow-wrap: anywhere }
</style></head><body>${languages.map(sectionOf).join('\n')}</body></html>
`;
}

function sectionOf(texts: Templates): string {
  const notifications = notificationKinds.map((kind) =>
    notificationMail(texts, kind, kind === 'number-registered' ? notification : { product: 'Vyry', appLink }),
  );
  const mails = [codeMail(texts, facts), ...notifications, recoveryMail(texts, recovery)];
  const formatted = mails.map(({ html }) => `<iframe srcdoc="${escaped(html)}" onload="${fitToContent}"></iframe>`);
  const plain = mails.map(
    (mail) => `<pre dir="${texts.direction}" lang="${texts.tag}">${escaped(plainText(mail))}</pre>`,
  );
  return `<section><h2>${texts.tag}</h2>${formatted.join('')}${plain.join('')}</section>`;
}

const fitToContent = 'this.height = this.contentDocument.documentElement.scrollHeight';

function plainText({ subject, text }: MailText): string {
  return `${subject}\n\n${text.trimEnd()}`;
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}

async function takePicture(page: string, path: string): Promise<void> {
  await using browser = await openChromium();
  const tab = await browser.newPage({ viewport: { width: pageWidth + 24, height: 800 } });
  await tab.goto(pathToFileURL(page).href);
  await tab.screenshot({ path, fullPage: true });
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { out: { type: 'string', default: 'dist/templates' } } });
  const project = resolve(import.meta.dirname, '..');
  const page = join(project, 'dist', 'templates', 'index.html');
  const pictures = resolve(project, values.out);
  for (const folder of [resolve(page, '..'), pictures]) mkdirSync(folder, { recursive: true });
  writeFileSync(page, mailPage());
  console.log(`${smsTable()}\n\n${page}`);
  const picture = join(pictures, 'templates-mail.png');
  await takePicture(page, picture);
  console.log(picture);
}

if (import.meta.main) {
  await main().catch((err: unknown) => {
    console.error((err as Error).message);
    process.exitCode = 1;
  });
}
