/** Prints the calls of the demo in readable form. */
import { inspect, styleText } from 'node:util';
import { say } from './summary.ts';

/** Keys and signatures are longer. */
const textMax = 60;
/** How many one-time keys are printed. */
const itemsMax = 2;

/** A `fetch` that prints each call with its answer, without secrets. */
export const printingFetch: typeof fetch = async (input, init = {}) => {
  const { pathname, search } = new URL(String(input));
  const { method = 'GET', body } = init;
  const sent = typeof body === 'string' ? `\n${show(JSON.parse(body))}` : '';
  say(`${styleText(['bold', 'cyan'], `→ ${method} ${pathname}${search}`)}${sent}`);
  const startedAt = performance.now();
  const response = await fetch(input, init);
  const text = await response.clone().text();
  const shown = text === '' ? '' : `\n${show(JSON.parse(text))}`;
  const status = styleText(response.ok ? 'green' : 'red', `← ${response.status}`);
  say(`${status} (${Math.round(performance.now() - startedAt)} ms) ${method} ${pathname}${shown}\n`);
  return response;
};

/** Prints a heading for the calls that follow. */
export function showHeading(text: string): void {
  say(`\n${styleText('bold', text)}\n`);
}

/** Prints a remark between calls. */
export function note(text: string): void {
  say(`${styleText('yellow', `  ${text}`)}\n`);
}

/** Formats a body without passwords, and with the first characters of tokens and keys only. */
function show(value: unknown): string {
  const readable: unknown = JSON.parse(JSON.stringify(value, hide));
  const options = { depth: 6, breakLength: 100, compact: 3, maxArrayLength: null, colors: process.stdout.isTTY };
  return inspect(readable, options).replace(/^/gm, '    ');
}

function hide(name: string, value: unknown): unknown {
  if (/password$|lock$|accessKey$/i.test(name)) return '••••••••';
  if (name === 'challenge') return '…';
  if (/token$/i.test(name) && typeof value === 'string') return `${value.slice(0, 12)}…`;
  if (typeof value === 'string' && value.length > textMax) return `${value.slice(0, 24)}…`;
  if (/preKeys$/i.test(name) && Array.isArray(value) && value.length > itemsMax)
    return [...value.slice(0, itemsMax), `… ${value.length - itemsMax} more`];
  return value;
}
