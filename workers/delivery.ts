// @permissions net, addons
/** The role `delivery`: hands messages to providers. It alone holds their credentials. */
import { createDeliveryActivities } from '../activities/delivery.ts';
import { connectMail, type Mail } from '../adapters/mail.ts';
import { createCodes } from '../adapters/redis/codes.ts';
import { connectTwilio, readTwilioOptions, type Twilio } from '../adapters/twilio.ts';
import { type Config, readConfig } from '../platform/config.ts';
import { createBox, deriveKey, newCode } from '../platform/crypto.ts';
import { runWorker, type WorkerParts, type WorkerTools } from './host.ts';

async function build(config: Config<'delivery'>, { events, redis }: WorkerTools): Promise<WorkerParts> {
  const twilioOptions = readTwilioOptions(config);
  const twilio = twilioOptions && connectTwilio(twilioOptions);
  const mail = config.SMTP_URL && connectMail({ url: config.SMTP_URL, from: config.MAIL_FROM });
  const sealBox = createBox('seal', config.PAYLOAD_KEY, config.PAYLOAD_KEYS_OLD);
  return {
    options: {
      activities: createDeliveryActivities({
        codes: createCodes(redis, deriveKey(config.PAYLOAD_KEY, 'code'), sealBox),
        twilio,
        mail,
        events,
        newCode,
        productName: config.PRODUCT_NAME,
      }),
    },
    startReads: [],
    checks: checksOf(twilio, mail),
    close: async () => mail?.close(),
  };
}

function checksOf(twilio: Twilio | undefined, mail: Mail | undefined): WorkerParts['checks'] {
  return [
    ...(twilio ? [{ name: 'twilio', check: () => twilio.ping() }] : []),
    ...(mail ? [{ name: 'mail', check: () => mail.ping() }] : []),
  ];
}

if (import.meta.main) {
  const config = readConfig('delivery');
  await runWorker('delivery', config, (tools) => build(config, tools));
}
