import type { z } from 'zod';
import type { Role } from './roles.ts';

/** A row of the table of variables. */
export interface Variable {
  /** The meaning, unit and bounds of the variable: a line of `.env.example`. */
  about: string;
  roles: readonly Role[];
  schema: z.ZodType;
  /** Used when the variable is unset or empty. A variable without a default is required. */
  default?: string;
  /** Returns the problem with a value that is valid in development but not in production. */
  inProduction?: (given: string) => string | undefined;
  /** Returns the problem with a valid value for a role. */
  problemFor?: (role: Role, value: unknown) => string | undefined;
  /** With `NAME_FILE` the process itself reads the file, again each time: it may read that file, and no other. */
  isRenewed?: true;
  /** A working value for development, shown in `.env.example` in place of the default. */
  example?: string;
}
