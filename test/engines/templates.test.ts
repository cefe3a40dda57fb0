import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, it } from 'node:test';
import { notificationKinds } from '../../domain/notifications.ts';
import { languages } from '../../domain/templates/languages.ts';
import { mailPage, smsTable } from '../../engines/templates.ts';

const docs = readFileSync(resolve(import.meta.dirname, '..', '..', 'docs', 'messages.md'), 'utf8');

describe('The page of all mails', () => {
  it('contains each mail in each language as HTML and as text, with every placeholder filled', () => {
    const page = mailPage();
    const mails = languages.length * (notificationKinds.length + 2);
    assert.equal(page.split('<iframe srcdoc=').length - 1, mails);
    assert.equal(page.split('<pre ').length - 1, mails);
    const written = page.slice(page.indexOf('</style>'));
    assert.doesNotMatch(written, /\{\w|undefined|null|NaN|<pre[^>]*>\s/);
  });
});

describe('The table of docs/messages.md', () => {
  it('is up to date, with every SMS in one segment', () => {
    assert.ok(docs.includes(smsTable()));
    for (const row of smsTable().split('\n').slice(2)) assert.equal(row.split('|')[4]?.trim(), '1', row);
  });
});
