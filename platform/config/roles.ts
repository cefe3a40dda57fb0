/** The processes of Vyry that read a configuration. */
export const roles = ['api', 'gateway', 'registration', 'directory', 'delivery', 'signal', 'audit'] as const;
/** The role of a process. */
export type Role = (typeof roles)[number];

/** The roles that host workflows or activities. Each polls the task queue of its name. */
export const temporalRoles = ['registration', 'directory', 'delivery', 'signal'] as const satisfies Role[];
/** A role that hosts workflows or activities. */
export type TemporalRole = (typeof temporalRoles)[number];

/** The roles that connect to Temporal. */
export const rolesWithTemporal = ['api', 'gateway', ...temporalRoles] as const satisfies Role[];
