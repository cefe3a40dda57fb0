/**
 * The table of environment variables, joined from the parts of its systems.
 *
 * Each variable names the roles that may read it. `workers/run.ts` passes a process only the variables of its role, so
 * a process can neither use nor leak the others.
 */
import { accountVariables } from './accounts.ts';
import { auditVariables } from './audit.ts';
import { captchaVariables } from './captcha.ts';
import { codecVariables } from './codec.ts';
import { deviceVariables } from './devices.ts';
import { directoryVariables } from './directory.ts';
import { engineVariables } from './engines.ts';
import { grpcVariables } from './grpc.ts';
import { keyVariables } from './keys.ts';
import { limitVariables } from './limits.ts';
import { mailVariables } from './mail.ts';
import { messageVariables } from './messages.ts';
import { messagingVariables } from './messaging.ts';
import { processVariables } from './process.ts';
import { pushVariables } from './push.ts';
import { registrationVariables } from './registration.ts';
import type { Role } from './roles.ts';
import { serverVariables } from './server.ts';
import { sessionVariables } from './sessions.ts';
import { signalVariables } from './signal.ts';
import { signalServerVariables } from './signal-server.ts';
import { smsVariables } from './sms.ts';
import { traceVariables } from './traces.ts';
import type { Variable } from './variable.ts';
import { workerVariables } from './workers.ts';

/** Every variable, in the order of `.env.example`. A duration ends in `_SECONDS` or states its unit. */
export const variables = {
  ...processVariables,
  ...serverVariables,
  ...engineVariables,
  ...auditVariables,
  ...keyVariables,
  ...sessionVariables,
  ...deviceVariables,
  ...messagingVariables,
  ...grpcVariables,
  ...signalVariables,
  ...codecVariables,
  ...registrationVariables,
  ...limitVariables,
  ...accountVariables,
  ...captchaVariables,
  ...directoryVariables,
  ...signalServerVariables,
  ...smsVariables,
  ...mailVariables,
  ...messageVariables,
  ...pushVariables,
  ...workerVariables,
  ...traceVariables,
} satisfies Record<string, Variable>;

/** The type of the table. */
export type Variables = typeof variables;

/** Returns the names of the variables with a prefix: those of one dependency. */
export function namesFrom<P extends string>(prefix: P): Extract<keyof Variables, `${P}${string}`>[] {
  return Object.keys(variables).filter((name) => name.startsWith(prefix)) as Extract<
    keyof Variables,
    `${P}${string}`
  >[];
}

/** Returns the variables that a role may read. */
export function variablesOf(role: Role): [name: string, variable: Variable][] {
  return Object.entries(variables).filter(([, variable]) => (variable.roles as readonly Role[]).includes(role));
}
