/** What the Express apps of the REST API and of the codec endpoint share. */
import cors, { type CorsOptions } from 'cors';
import express, { type Express, type RequestHandler, type Response } from 'express';
import { discardBody } from '../platform/http-body.ts';

/** Timeouts of a request, in milliseconds. */
export const serverOptions = { requestTimeout: 30_000, headersTimeout: 10_000 };

/** Creates an app without the headers that reveal or cache anything. */
export function createHttpApp(): Express {
  const app = express();
  app.disable('x-powered-by');
  app.set('query parser', 'simple');
  app.set('etag', false);
  return app;
}

/** Allows browsers to call from other origins. A request without `Origin` is not a cross-origin request. */
export function allowCors(options: CorsOptions): RequestHandler {
  const share = cors(options);
  return (req, res, next) => {
    if (req.headers.origin !== undefined || req.method === 'OPTIONS') return share(req, res, next);
    // a cache must not return this response to a browser of another origin
    res.setHeader('Vary', 'Origin');
    next();
  };
}

/** Sends an error after discarding the rest of the body, so that the sender gets the response. */
export async function sendError(
  res: Response,
  { status, headers = {}, body }: { status: number; headers?: Record<string, string>; body?: unknown },
): Promise<void> {
  if (res.headersSent) {
    res.destroy();
    return;
  }
  if (res.getHeader('connection') !== 'close') await discardBody(res.req);
  res.status(status).set(headers);
  if (body === undefined) res.end();
  else res.json(body);
}
