import type { Templates } from './template.ts';

/** Arabic. */
export const arabic: Templates = {
  tag: 'ar',
  direction: 'rtl',
  codeSms: '{code} رمز التحقق الخاص بك في {product}. لا تشاركه.',
  call: {
    language: 'ar-XA',
    voice: 'Google.ar-XA-Standard-A',
    pressKey: 'معك {product}. اضغط أي زر لسماع رمز التحقق.',
    yourCodeIs: 'رمزك هو:',
  },
  codeMail: {
    subject: 'رمز التحقق الخاص بك في {product}',
    body: [
      'رمز التحقق الخاص بك هو {code}',
      'صالح لمدة {minutes} دقيقة. لا تشاركه مع أحد مهما كان من يطلبه.',
      'إذا لم تطلبه فتجاهل هذه الرسالة.',
    ],
  },
  welcomeMail: {
    subject: 'مرحبًا بك في {product}',
    body: ['حسابك في {product} جاهز.', 'يمكنك الآن تسجيل الدخول على أجهزتك.'],
  },
  newDeviceMail: {
    subject: 'جهاز جديد في {product}',
    body: ['سجّل جهاز جديد الدخول إلى حسابك في {product}.', 'إذا لم تكن أنت، فأزل الجهاز وغيّر كلمة المرور الآن.'],
  },
  passwordChangedMail: {
    subject: 'تم تغيير كلمة مرورك في {product}',
    body: ['تم تغيير كلمة مرور حسابك في {product}.', 'إذا لم تكن أنت، فاتصل بالمسؤول فورًا.'],
  },
  pinChangedMail: {
    subject: 'تم تغيير رمز PIN الخاص بك في {product}',
    body: ['تم تغيير رمز PIN لحسابك في {product}.', 'إذا لم تكن أنت من فعل ذلك، فاتصل بالمسؤول الآن.'],
  },
  contactChangedMail: {
    subject: 'تم تغيير رقمك أو بريدك في {product}',
    body: [
      'تم تغيير رقم الهاتف أو البريد الإلكتروني لحسابك في {product}.',
      'إذا لم تكن أنت من فعل ذلك، فاتصل بالمسؤول الآن.',
    ],
  },
  identityTransferredMail: {
    subject: 'تم نقل بيانات الاتصال لحساب في {product}',
    body: [
      'نقلت مؤسستك اسم مستخدم أو رقم هاتف أو بريدًا إلكترونيًا من حساب في {product} إلى حساب آخر. أحد الحسابين هو حسابك.',
      'إذا لم تكن تتوقع ذلك، فاتصل بالمسؤول.',
    ],
  },
  deletionPlannedMail: {
    subject: 'سيُحذف حسابك في {product}',
    body: [
      'طلب شخص ما حذف حسابك في {product}. سيُحذف مع كل ما فيه.',
      'إذا لم تكن أنت، فسجّل الدخول وأوقف الحذف وغيّر كلمة المرور الآن.',
    ],
  },
  accountDeletedMail: {
    subject: 'تم حذف حسابك في {product}',
    body: ['تم حذف حسابك في {product} مع كل ما فيه.'],
  },
  sessionStolenMail: {
    subject: 'أُنهيت جلسة {product}: ربما سُرقت',
    body: ['استُخدمت جلسة من حسابك في {product} في مكانين وتم إنهاؤها.', 'سجّل الدخول من جديد وغيّر كلمة المرور الآن.'],
  },
  deviceLinkRequestedMail: {
    subject: 'جهاز جديد يطلب حسابك في {product}',
    body: [
      'أثبت شخص ما رقمك أو بريدك وطلب حسابك في {product} على جهاز جديد.',
      'طُلب من أجهزتك الموافقة. إذا لم تكن أنت، فارفض الطلب هناك.',
    ],
  },
  recoveryAskedMail: {
    subject: 'طلب شخص ما كلمة مرور جديدة في {product}',
    body: [
      'طلب شخص ما إعادة تعيين كلمة مرور حسابك في {product}.',
      'إذا لم تكن أنت، ففي رسالتنا الإلكترونية طريقة إيقاف ذلك.',
    ],
  },
  deviceAddedMail: {
    subject: 'أُضيف جهاز إلى {product}',
    body: [
      'أُضيف جهاز إلى حسابك في {product}، وهو يقرأ رسائلك ويرسلها.',
      'إذا لم تكن أنت، فأزل الجهاز وغيّر كلمة المرور الآن.',
    ],
  },
  deviceRemovedMail: {
    subject: 'أُزيل جهاز من {product}',
    body: ['أُزيل جهاز من حسابك في {product}.', 'إذا لم تكن أنت، فاتصل بالمسؤول فورًا.'],
  },
  deviceIdleMail: {
    subject: 'جهاز لا تستخدمه في {product}',
    body: [
      'لم يُستخدم جهاز مرتبط بحسابك في {product} منذ مدة طويلة. قريبًا لن يتلقى رسائل بعد ذلك.',
      'افتح التطبيق على هذا الجهاز إذا أردت الاحتفاظ به، وإلا فأزله.',
    ],
  },
  identityKeyChangedMail: {
    subject: 'تغيّر مفتاح هويتك في {product}',
    body: ['تغيّر مفتاح هوية حسابك في {product}. ترى جهات اتصالك ذلك.', 'إذا لم تكن أنت، فاتصل بالمسؤول فورًا.'],
  },
  recoveryMail: {
    subject: 'إعادة تعيين كلمة مرور {product}',
    body: [
      'طلب شخص ما إعادة تعيين كلمة مرور حسابك في {product}.',
      'اختر كلمة مرور جديدة خلال {minutes} دقيقة: {link}',
      'إذا لم تكن أنت، فأوقف الطلب من هنا: {stopLink}',
    ],
  },
  recoverySms: 'أعد تعيين كلمة مرور {product} خلال {minutes} دقيقة: {link}',
  numberRegisteredMail: {
    subject: 'شخص ما يسجّل رقمك في {product}',
    body: [
      'طلب شخص ما تسجيل رقمك في {product}.',
      'إذا لم تكن أنت، فلا تشارك أي رمز. يبقى حسابك لك.',
      'الوقت (UTC): {when}. التطبيق: {client}.',
      'إذا لم تكن أنت، فأوقف التسجيل من هنا: {stopLink}',
    ],
  },
};
