import type { Templates } from './template.ts';

/** Turkish. */
export const turkish: Templates = {
  tag: 'tr',
  direction: 'ltr',
  codeSms: '{code}: {product} doğrulama kodunuz. Paylaşmayın.',
  call: {
    language: 'tr-TR',
    voice: 'Google.tr-TR-Standard-A',
    pressKey: '{product} arıyor. Doğrulama kodunuzu duymak için bir tuşa basın.',
    yourCodeIs: 'Kodunuz:',
  },
  codeMail: {
    subject: '{product} doğrulama kodunuz',
    body: [
      'Doğrulama kodunuz: {code}',
      '{minutes} dakika geçerlidir. Kim isterse istesin, kimseyle paylaşmayın.',
      'Kodu siz istemediyseniz bu iletiyi dikkate almayın.',
    ],
  },
  welcomeMail: {
    subject: '{product} hesabınıza hoş geldiniz',
    body: ['{product} hesabınız hazır.', 'Artık cihazlarınızda oturum açabilirsiniz.'],
  },
  newDeviceMail: {
    subject: '{product} hesabında yeni cihaz',
    body: [
      '{product} hesabınızda yeni bir cihaz oturum açtı.',
      'Bu siz değilseniz cihazı kaldırın ve parolanızı hemen değiştirin.',
    ],
  },
  passwordChangedMail: {
    subject: '{product} parolanız değişti',
    body: ['{product} hesabınızın parolası değiştirildi.', 'Bu siz değilseniz hemen yöneticinize bildirin.'],
  },
  pinChangedMail: {
    subject: '{product} PIN kodunuz değiştirildi',
    body: ['{product} hesabınızın PIN kodu değiştirildi.', 'Bunu siz yapmadıysanız hemen yöneticinize başvurun.'],
  },
  contactChangedMail: {
    subject: '{product} numaranız veya adresiniz değiştirildi',
    body: [
      '{product} hesabınızın telefon numarası veya e-posta adresi değiştirildi.',
      'Bunu siz yapmadıysanız hemen yöneticinize başvurun.',
    ],
  },
  identityTransferredMail: {
    subject: 'Bir {product} hesabının iletişim bilgileri taşındı',
    body: [
      'Kuruluşunuz bir {product} hesabının kullanıcı adını, telefon numarasını veya e-posta adresini başka bir hesaba verdi. İki hesaptan biri sizin.',
      'Bunu beklemiyorsanız yöneticinize başvurun.',
    ],
  },
  deletionPlannedMail: {
    subject: '{product} hesabınız silinecek',
    body: [
      'Birisi {product} hesabınızın silinmesini istedi. Hesap, içindeki her şeyle birlikte silinecek.',
      'Bunu siz yapmadıysanız oturum açın, silmeyi durdurun ve şifrenizi hemen değiştirin.',
    ],
  },
  accountDeletedMail: {
    subject: '{product} hesabınız silindi',
    body: ['{product} hesabınız içindeki her şeyle birlikte silindi.'],
  },
  sessionStolenMail: {
    subject: '{product} oturumu kapatıldı: çalınmış olabilir',
    body: [
      '{product} hesabınızın bir oturumu iki yerde kullanıldı ve kapatıldı.',
      'Yeniden oturum açın ve parolanızı hemen değiştirin.',
    ],
  },
  deviceLinkRequestedMail: {
    subject: 'Yeni bir cihaz {product} hesabınızı istiyor',
    body: [
      'Biri numaranızı veya adresinizi doğrulayıp {product} hesabınızı yeni bir cihazda istedi.',
      'Cihazlarınızdan onay istendi. Bu siz değilseniz orada reddedin.',
    ],
  },
  recoveryAskedMail: {
    subject: 'Birisi yeni bir {product} parolası istedi',
    body: [
      'Birisi {product} hesabınızın şifresini sıfırlamak istedi.',
      'Bunu siz yapmadıysanız nasıl durduracağınız e-postamızda yazıyor.',
    ],
  },
  deviceAddedMail: {
    subject: '{product} hesabına cihaz eklendi',
    body: [
      '{product} hesabınıza bir cihaz eklendi. Mesajlarınızı okur ve gönderir.',
      'Bu siz değilseniz cihazı kaldırın ve parolanızı hemen değiştirin.',
    ],
  },
  deviceRemovedMail: {
    subject: '{product} hesabından cihaz kaldırıldı',
    body: ['{product} hesabınızdan bir cihaz kaldırıldı.', 'Bu siz değilseniz hemen yöneticinize bildirin.'],
  },
  deviceIdleMail: {
    subject: 'Bir {product} cihazı kullanılmıyor',
    body: [
      '{product} hesabınıza bağlı bir cihaz uzun süredir kullanılmadı. Yakında ileti almayacak.',
      'Cihazı tutmak istiyorsanız uygulamayı o cihazda açın. İstemiyorsanız kaldırın.',
    ],
  },
  identityKeyChangedMail: {
    subject: '{product} kimlik anahtarınız değişti',
    body: [
      '{product} hesabınızın kimlik anahtarı değişti. Kişileriniz bunu görür.',
      'Bu siz değilseniz hemen yöneticinize bildirin.',
    ],
  },
  recoveryMail: {
    subject: '{product} şifrenizi sıfırlayın',
    body: [
      'Birisi {product} hesabınızın şifresini sıfırlamak istedi.',
      '{minutes} dakika içinde yeni bir şifre seçin: {link}',
      'Bunu siz yapmadıysanız buradan durdurun: {stopLink}',
    ],
  },
  recoverySms: '{product} şifrenizi {minutes} dk içinde sıfırlayın: {link}',
  numberRegisteredMail: {
    subject: 'Biri numaranızı {product} için kaydediyor',
    body: [
      'Biri numaranızı {product} için kaydetmek istedi.',
      'Bu siz değilseniz hiçbir kodu paylaşmayın. Hesabınız sizin kalır.',
      'Zaman (UTC): {when}. Uygulama: {client}.',
      'Bu siz değilseniz kaydı buradan durdurun: {stopLink}',
    ],
  },
};
