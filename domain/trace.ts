/** Name of the Temporal header that carries the trace of a request, sealed, from the api through a workflow to its activities. */
export const traceHeader = 'vyry-trace';
