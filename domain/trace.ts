/**
 * The Temporal header with the encrypted trace context of a request, passed from the api to workflows and activities.
 */
export const traceHeader = 'vyry-trace';
