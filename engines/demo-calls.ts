/** Sends the calls of the demo and prints them in readable form. */
import { inspect, styleText } from 'node:util';
import { say } from './summary.ts';

/** A JSON object from an answer. */
type Answer = Record<string, unknown>;

/** Keys and signatures are longer. */
const textMax = 60;

interface Call {
  token?: string;
  body?: Answer;
}

/** Sends calls to one api and prints each with its answer, without secrets. */
export interface ApiCaller {
  /** Sends a call and returns its answer. @throws {Error} the answer is an error */
  call(method: string, path: string, call?: Call): Promise<Answer>;
  /**
   * Sends a step of a registration. Returns true when it was rejected because the account exists.
   *
   * @throws {Error} any other error
   */
  step(registration: string, method: string, name: string, call: Call): Promise<boolean>;
}

/** Creates a caller for one api. */
export function createApiCaller(apiUrl: string): ApiCaller {
  async function send(method: string, path: string, { token, body }: Call = {}) {
    say(`${styleText(['bold', 'cyan'], `→ ${method} ${path}`)}${body ? `\n${show(body)}` : ''}`);
    const startedAt = performance.now();
    const res = await fetch(apiUrl + path, {
      method,
      headers: {
        ...(token && { authorization: `Bearer ${token}` }),
        ...(body && { 'content-type': 'application/json' }),
      },
      ...(body && { body: JSON.stringify(body) }),
    });
    const answer = (await res.json()) as Answer;
    const color = res.ok ? 'green' : 'red';
    say(`${styleText(color, `← ${res.status}`)} (${Math.round(performance.now() - startedAt)} ms)\n${show(answer)}\n`);
    return { status: res.status, answer };
  }

  return {
    async call(method, path, call) {
      const { status, answer } = await send(method, path, call);
      if (status >= 400) throw new Error(`${method} ${path} was answered ${status}: ${answer.error}`);
      return answer;
    },
    async step(registration, method, name, call) {
      const { status, answer } = await send(method, `${registration}/${name}`, call);
      if (status < 400) return false;
      const { token } = call;
      const { answer: rejected } = await send('GET', registration, { ...(token !== undefined && { token }) });
      if (rejected.reason === 'identity-taken') return true;
      throw new Error(`${method} ${registration}/${name} was answered ${status}: ${answer.error}`);
    },
  };
}

/** Prints a heading for the calls that follow. */
export function showHeading(text: string): void {
  say(`\n${styleText('bold', text)}\n`);
}

/** Prints a remark between calls. */
export function note(text: string): void {
  say(`${styleText('yellow', `  ${text}`)}\n`);
}

/** Formats a body without passwords, and with the first characters of tokens only. */
function show(value: Answer): string {
  const readable = JSON.parse(JSON.stringify(value, hide)) as Answer;
  const colors = process.stdout.isTTY;
  return inspect(readable, { depth: 6, breakLength: 100, compact: 3, colors }).replace(/^/gm, '    ');
}

function hide(name: string, value: unknown): unknown {
  if (/password$|lock$|accessKey$/i.test(name)) return '••••••••';
  if (name === 'challenge') return '…';
  if (/token$/i.test(name) && typeof value === 'string') return `${value.slice(0, 12)}…`;
  if (typeof value === 'string' && value.length > textMax) return `${value.slice(0, 24)}…`;
  return value;
}
