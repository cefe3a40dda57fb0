/**
 * `npm run kibana:build`: builds the files that Kibana imports from the dashboards, searches and alerts of this folder.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { authentication } from './dashboards/authentication.ts';
import { devices } from './dashboards/devices.ts';
import { errors } from './dashboards/errors.ts';
import { messages } from './dashboards/messages.ts';
import { otpUsage } from './dashboards/otp-usage.ts';
import { security } from './dashboards/security.ts';
import { userActivity } from './dashboards/user-activity.ts';
import { savedObjectsFile } from './objects.ts';
import { detectionRulesFile, queryRulesFile } from './rules.ts';
import { searches } from './searches.ts';

/** All dashboards, in the order of the file. */
export const dashboards = [authentication, otpUsage, errors, userActivity, devices, messages, security];

/** Returns the text of each committed file, by its name in this folder. */
export function builtFiles(): Record<string, string> {
  return {
    'vyry.ndjson': savedObjectsFile(dashboards, searches),
    'rules.json': queryRulesFile(),
    'detection-rules.ndjson': detectionRulesFile(),
  };
}

if (import.meta.main) {
  for (const [name, text] of Object.entries(builtFiles())) writeFileSync(join(import.meta.dirname, name), text);
}
