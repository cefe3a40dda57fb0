/** Administration: `/admin`, for users with the role who have authenticated recently. */
import { z } from 'zod';
import { isRole } from '../domain/account.ts';
import { awaitedSystems, registrationStates, registrationSteps } from '../domain/registration.ts';
import { commonFailures, operation } from './operation.ts';
import { instant, pageCursor, pageLimit } from './schemas.ts';

const user = '/api/v1/admin/users/:userId';

const UserRoles = z.object({ userId: z.string(), roles: z.array(z.string()) }).meta({ id: 'UserRoles' });

/** The operations of administrators. */
export const adminOperations = {
  readRoles: operation({
    method: 'get',
    path: `${user}/roles`,
    summary: 'Get the roles of a user',
    description: 'The roles that the access tokens of the user have from now on.',
    auth: 'admin',
    answers: { 200: UserRoles },
    failures: [...commonFailures, 'not-found'],
  }),
  replaceRoles: operation({
    method: 'put',
    path: `${user}/roles`,
    summary: 'Replace the roles of a user',
    description: 'Takes effect with the next request of the user, also under an older access token.',
    example: { roles: ['admin'] },
    auth: 'admin',
    body: z.strictObject({
      roles: z
        .array(z.string())
        .max(20, 'must be at most 20')
        .refine((names) => names.every(isRole), 'must each be up to 32 lower-case letters, digits and dashes')
        .describe('All roles; `user`, which every account has, may be left out'),
    }),
    answers: { 200: UserRoles },
    failures: [...commonFailures, 'not-found'],
  }),
  disableUser: operation({
    method: 'post',
    path: `${user}/disable`,
    summary: 'Disable an account and end its sessions',
    description:
      'The account cannot log in until it is enabled again (`npx vyry users enable`). A repeat changes nothing.',
    auth: 'admin',
    answers: {
      200: z.object({
        userId: z.string(),
        sessionsEnded: z.int().describe('By this request; 0 if the account was already disabled'),
      }),
    },
    failures: [...commonFailures, 'not-found'],
  }),
  listRegistrations: operation({
    method: 'get',
    path: '/api/v1/admin/registrations',
    summary: 'List running and ended registrations, without personal data',
    description:
      "Running ones first, then the newest first. Filters combine; the operator's tool `npx vyry registrations` has the same list and can act on it.",
    auth: 'admin',
    query: z.strictObject({
      state: z.enum(registrationStates).optional(),
      step: z.enum(registrationSteps).optional(),
      waitingFor: z.enum(awaitedSystems).optional(),
      country: z
        .string()
        .regex(/^[A-Z]{2}$/, 'must be a country such as GB')
        .optional(),
      limit: pageLimit,
      cursor: pageCursor.optional(),
    }),
    answers: {
      200: z
        .object({
          items: z.array(
            z.object({
              registrationId: z.string(),
              state: z.string(),
              step: z.string(),
              waitingFor: z.string().optional(),
              startedAt: instant,
            }),
          ),
          nextCursor: z.string().nullable(),
        })
        .meta({ id: 'RegistrationList' }),
    },
    failures: commonFailures,
  }),
} as const;
