/** Checks of the variables of every role and of the captcha. Findings contain names of variables, never values. */
import { createConfiguredCaptcha, testSecrets } from '../../adapters/captcha.ts';
import { readInfobipOptions } from '../../adapters/http/infobip.ts';
import { readPushOptions } from '../../adapters/http/push-options.ts';
import { readTwilioOptions } from '../../adapters/twilio.ts';
import { readConfig, readOperatorKeys, readVariables } from '../../platform/config/config.ts';
import { type Role, roles } from '../../platform/config/roles.ts';
import { namesFrom, variablesOf } from '../../platform/config/variables.ts';
import type { Finding } from './finding.ts';

/** Checks of variables that depend on each other, by role. */
const together: Partial<Record<Role, (env: Record<string, string>) => unknown>> = {
  api: (env) => createConfiguredCaptcha(readConfig('api', env)),
  delivery: (env) => {
    const config = readConfig('delivery', env);
    return [readTwilioOptions(config), readInfobipOptions(config), readPushOptions(config)];
  },
};

/** Roles that an installation runs only with a variable. */
const neededBy: Partial<Record<Role, string>> = { audit: 'ELASTICSEARCH_URL', signal: 'SIGNAL_SERVER_URL' };

/** Validates the configuration of every role as its process does at start. */
export function checkConfiguration(env: Record<string, string>): Finding[] {
  return roles.map((role) => {
    const check = `configuration of ${role}`;
    const needed = neededBy[role];
    if (needed !== undefined && !env[needed]) return { check, verdict: 'off', about: `no ${needed}` };
    try {
      readConfig(role, env);
      together[role]?.(env);
      return { check, verdict: 'ok', about: `${variablesOf(role).length} variables` };
    } catch (err) {
      const [, ...problems] = (err as Error).message.split('\n');
      const about = problems.map((line) => line.trim()).join('; ');
      return { check, verdict: 'failed', about, advice: 'Set them; .env.example describes each variable.' };
    }
  });
}

/** Checks the captcha configuration. The keys are not tried: only a solved captcha can do that. */
export async function checkCaptcha(env: Record<string, string>): Promise<Finding[]> {
  const config = readVariables([...namesFrom('CAPTCHA_'), 'NODE_ENV', 'REGISTRATION_STEPS'], env);
  const check = 'captcha';
  const { CAPTCHA_PROVIDER: provider, CAPTCHA_SECRET: secret } = config;
  if (!config.REGISTRATION_STEPS.includes('captcha')) {
    const advice = 'Bots can request codes: add captcha to REGISTRATION_STEPS.';
    return [{ check, verdict: 'warning', about: 'not a registration step', advice }];
  }
  createConfiguredCaptcha({ ...config, KEYS: readOperatorKeys(env, ['PAYLOAD_KEY']) });
  if (provider !== 'altcha' && secret !== undefined && testSecrets.includes(secret.reveal())) {
    const advice = 'Every captcha passes with them: set the keys of your own site.';
    return [{ check, verdict: 'warning', about: `${provider} with the test keys of the provider`, advice }];
  }
  return [{ check, verdict: 'ok', about: provider === 'altcha' ? 'altcha, self-hosted' : `${provider} is configured` }];
}
