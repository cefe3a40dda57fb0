import type { Templates } from './template.ts';

/** Persian. */
export const persian: Templates = {
  tag: 'fa',
  direction: 'rtl',
  codeSms: '{code} کد تأیید شما در {product} است. به کسی ندهید.',
  codeMail: {
    subject: 'کد تأیید شما در {product}',
    body: [
      'کد تأیید شما {code} است.',
      'این کد {minutes} دقیقه معتبر است. آن را به هیچ‌کس ندهید.',
      'اگر شما درخواست نکرده‌اید، این پیام را نادیده بگیرید.',
    ],
  },
  welcomeMail: {
    subject: 'به {product} خوش آمدید',
    body: ['حساب {product} شما آماده است.', 'اکنون می‌توانید در دستگاه‌های خود وارد شوید.'],
  },
  newDeviceMail: {
    subject: 'دستگاه تازه در {product}',
    body: [
      'دستگاه تازه‌ای وارد حساب {product} شما شد.',
      'اگر شما نبودید، دستگاه را حذف کنید و رمز عبور را همین حالا عوض کنید.',
    ],
  },
  passwordChangedMail: {
    subject: 'رمز عبور {product} شما عوض شد',
    body: ['رمز عبور حساب {product} شما عوض شد.', 'اگر شما نبودید، فوراً به مدیر سامانه خبر دهید.'],
  },
  pinChangedMail: {
    subject: 'پین {product} شما تغییر کرد',
    body: ['پین حساب {product} شما تغییر کرد.', 'اگر شما این کار را نکرده‌اید، همین حالا با مدیر سامانه تماس بگیرید.'],
  },
  recoveryMail: {
    subject: 'بازنشانی گذرواژهٔ {product}',
    body: [
      'کسی درخواست بازنشانی گذرواژهٔ حساب {product} شما را داده است.',
      'تا {minutes} دقیقهٔ دیگر گذرواژهٔ تازه‌ای انتخاب کنید: {link}',
      'اگر شما نبوده‌اید، از اینجا جلوی آن را بگیرید: {stopLink}',
    ],
  },
  recoverySms: 'گذرواژهٔ {product} را تا {minutes} دقیقهٔ دیگر بازنشانی کنید: {link}',
  numberRegisteredMail: {
    subject: 'کسی شمارهٔ شما را در {product} ثبت می‌کند',
    body: [
      'کسی درخواست ثبت شمارهٔ شما را در {product} داده است.',
      'اگر شما نیستید، هیچ کدی را به کسی ندهید. حساب شما از آن شما می‌ماند.',
    ],
  },
};
