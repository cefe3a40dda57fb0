import type { Templates } from './template.ts';

/** Ukrainian. */
export const ukrainian: Templates = {
  tag: 'uk',
  direction: 'ltr',
  codeSms: '{code} — код {product}. Нікому його не кажіть.',
  call: {
    language: 'uk-UA',
    voice: 'Google.uk-UA-Standard-A',
    pressKey: 'Це {product}. Натисніть будь-яку клавішу, щоб почути код підтвердження.',
    yourCodeIs: 'Ваш код:',
  },
  codeMail: {
    subject: 'Ваш код підтвердження {product}',
    body: [
      'Ваш код підтвердження: {code}',
      'Він дійсний {minutes} хв. Нікому його не кажіть, хто б не просив.',
      'Якщо ви його не просили, не зважайте на цей лист.',
    ],
  },
  welcomeMail: {
    subject: 'Вітаємо у {product}',
    body: ['Ваш обліковий запис {product} готовий.', 'Тепер можна входити на своїх пристроях.'],
  },
  newDeviceMail: {
    subject: 'Новий пристрій у {product}',
    body: [
      'У ваш обліковий запис {product} увійшли з нового пристрою.',
      'Якщо це були не ви, вилучіть пристрій і одразу змініть пароль.',
    ],
  },
  passwordChangedMail: {
    subject: 'Ваш пароль {product} змінено',
    body: [
      'Пароль вашого облікового запису {product} змінено.',
      'Якщо це були не ви, одразу зверніться до адміністратора.',
    ],
  },
  pinChangedMail: {
    subject: 'PIN-код {product} змінено',
    body: [
      'PIN-код вашого облікового запису {product} було змінено.',
      'Якщо це були не ви, негайно зверніться до адміністратора.',
    ],
  },
  recoveryMail: {
    subject: 'Скидання пароля {product}',
    body: [
      'Хтось попросив скинути пароль вашого облікового запису {product}.',
      'Задайте новий пароль протягом {minutes} хвилин: {link}',
      'Якщо це були не ви, зупиніть скидання тут: {stopLink}',
    ],
  },
  recoverySms: 'Скидання пароля {product}, {minutes} хв: {link}',
  numberRegisteredMail: {
    subject: 'Хтось реєструє ваш номер у {product}',
    body: [
      'Хтось попросив зареєструвати ваш номер у {product}.',
      'Якщо це не ви, нікому не кажіть кодів. Обліковий запис лишається вашим.',
    ],
  },
};
