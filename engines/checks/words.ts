/**
 * Private words that the code once had where the field has a term. `npm run check` keeps them out of code, comments,
 * docs and file names.
 */
import { type Finding, lineAt, type Source } from './finding.ts';

interface Word {
  pattern: RegExp;
  /** The term to use. */
  term: string;
  /** Lines in which the word means something else. */
  unless?: RegExp;
}

/** Words of sentences. They are also found in identifiers, whose parts are read as words: `handOver` is `hand Over`. */
const words: readonly Word[] = [
  { pattern: /\bundertakings?\b/gi, term: 'compensations, or the call to a dependency' },
  { pattern: /\b(un)?park(ed|ing)\b/gi, term: 'waiting for <dependency>' },
  { pattern: /\bhurr(y|ies|ied|ying)\b/gi, term: 'retried now' },
  { pattern: /\bhand(s|ed|ing)?[ -]?overs?\b/gi, term: 'send, or delivery attempt' },
  { pattern: /\bstand-ins?\b|\bstand(s|ing)? ins? for\b|\bstand Ins?\b/gi, term: 'fake' },
  { pattern: /\btrails?\b/gi, term: 'audit log' },
  { pattern: /\bset(s|ting)? aside\b(?! for fiction)/gi, term: 'dead letter' },
  { pattern: /\bdoors?\b/gi, term: 'endpoint, server or transport' },
  { pattern: /\b(takes?|taken|taking|took) back\b/gi, term: 'undo, or compensate' },
  { pattern: /\b(gives?|given|giving|gave) back\b/gi, term: 'refund' },
  { pattern: /\bdecoys?\b/gi, term: 'dummy' },
  { pattern: /\bevenly\b/gi, term: 'in constant time' },
  { pattern: /\bhops?\b/gi, term: 'delivery attempt', unless: /prox(y|ies)|forwarded/i },
  { pattern: /\b(delivery|sms|message) receipts?\b|\/receipts\b/gi, term: 'delivery report' },
  { pattern: /\breceipts? (of|for) (an? |the )?(sms|calls?|codes?|messages?)\b/gi, term: 'delivery report' },
  { pattern: /\b(an?|the|this|every|each|security|owner) notices?\b/gi, term: 'notification' },
];

/** Names of functions, types and files, as written. */
const names: readonly Word[] = [
  { pattern: /\b(orderFirst|startOnce|runSingle|runToEnd)\b/g, term: 'updateWithStart…, execute…' },
  { pattern: /\b[uU]ntilAvailable\b|(?<![.\w])certainly\(/g, term: 'dependency call' },
  { pattern: /\bUndoStack\b/g, term: 'Compensations' },
  { pattern: /\bfirstFacts\b/g, term: 'initial state' },
  { pattern: /\buntilTaken\b|\bone-code\b/g, term: 'code sending' },
  { pattern: /\b(speakCode|speechBox)\b/g, term: 'voice call' },
  { pattern: /\bcreateBox\b/g, term: 'createCipher' },
  { pattern: /\bguard(Send|Check)\b|\bshared-tries\b/g, term: 'limit…, consume…' },
  { pattern: /\b(ProvableAccount|lockOn|reopenAccount|holderOf)\b/g, term: 'credentials, registration lock, session' },
  { pattern: /\bprove[A-Z]\w*/g, term: 'verify…' },
  { pattern: /\bgive(?!Up)[A-Z]\w*/g, term: 'a verb of the field' },
  { pattern: /\bshareAcrossOrigins\b/g, term: 'cors' },
  { pattern: /\b(trustIn|watchSurroundings|sayStarted|inTime)\b|(?<![.\w])(observe|examine)\(/g, term: 'check…, log…' },
  { pattern: /\bwarnOwner\w*/g, term: 'notifyOwner' },
  { pattern: /\b(directory-watch|user-access|person-flows)\b/g, term: 'the noun of the workflow' },
];

/** History, this list with its test, the words of others, and records of the past. */
const exempt = [
  'docs/decisions/',
  'CHANGELOG.md',
  'test/histories/',
  'test/support/signal-registration-proto.json',
  'engines/checks/words.ts',
  'test/engines/checks.test.ts',
];

/** Returns the places that have such a word. */
export function checkWords(sources: readonly Source[]): Finding[] {
  return sources
    .filter(({ file }) => !exempt.some((path) => file.startsWith(path)))
    .flatMap(({ file, text }) => [
      ...findWords(file, file).map((finding) => ({ ...finding, message: `file name: ${finding.message}` })),
      ...findWords(file, text),
    ]);
}

function findWords(file: string, text: string): Finding[] {
  // old decisions keep the names of their files; the parts of identifiers are words
  const raw = text.replace(/decisions\/[\w-]+[.]md/g, '');
  const spaced = raw.replace(/([a-z\d])([A-Z])/g, '$1 $2').replaceAll('_', ' ');
  return [...words.flatMap((word) => placesOf(word, spaced)), ...names.flatMap((name) => placesOf(name, raw))].map(
    (place) => ({ file, ...place }),
  );
}

function placesOf({ pattern, term, unless }: Word, text: string): Omit<Finding, 'file'>[] {
  return [...text.matchAll(pattern)]
    .map(({ 0: found, index }) => ({ line: lineAt(text, index), message: `"${found}": say ${term}` }))
    .filter(({ line }) => !unless?.test(text.split('\n')[line - 1] ?? ''));
}
