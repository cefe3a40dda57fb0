/**
 * The addresses of the page's workers. Under `require-trusted-types-for` the address of a script must come from a policy
 * that the server names; this one makes only those of files beside the page.
 */

/** The part of Trusted Types that is used (https://w3c.github.io/trusted-types/dist/spec/). */
interface TrustedTypes {
  createPolicy(
    name: 'vyry',
    rules: { createScriptURL(name: string): string },
  ): { createScriptURL(name: string): string };
}

declare global {
  var trustedTypes: TrustedTypes | undefined;
}

/** The names of the workers in the build. */
type WorkerFile = 'service-worker.js' | 'captcha-worker.js';

const rules = { createScriptURL: (name: string) => `/app/${name}` };
const policy = globalThis.trustedTypes?.createPolicy('vyry', rules) ?? rules;

/** Returns the address of a worker; a browser with Trusted Types gets an object in the place of the string. */
export function workerUrl(name: WorkerFile): string {
  return policy.createScriptURL(name);
}
