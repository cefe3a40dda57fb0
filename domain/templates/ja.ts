import type { Templates } from './template.ts';

/** Japanese. */
export const japanese: Templates = {
  tag: 'ja',
  direction: 'ltr',
  codeSms: '{code} は {product} の認証コードです。{minutes}分間有効。誰にも教えないでください。',
  call: {
    language: 'ja-JP',
    pressKey: '{product} です。認証コードを聞くには、いずれかのキーを押してください。',
    yourCodeIs: 'コードは次のとおりです。',
  },
  codeMail: {
    subject: '{product} の認証コード',
    body: [
      '認証コードは {code} です。',
      '{minutes} 分間有効です。誰に聞かれても教えないでください。',
      'お心当たりがない場合は、このメールを無視してください。',
    ],
  },
  welcomeMail: {
    subject: '{product} へようこそ',
    body: ['{product} のアカウントの準備ができました。', 'お使いの端末でログインできます。'],
  },
  newDeviceMail: {
    subject: '{product} に新しい端末がログインしました',
    body: [
      '{product} のアカウントに新しい端末がログインしました。',
      'お心当たりがない場合は、端末を削除し、今すぐパスワードを変更してください。',
    ],
  },
  passwordChangedMail: {
    subject: '{product} のパスワードが変更されました',
    body: [
      '{product} のアカウントのパスワードが変更されました。',
      'お心当たりがない場合は、すぐに管理者に連絡してください。',
    ],
  },
  pinChangedMail: {
    subject: '{product} の PIN が変更されました',
    body: ['{product} アカウントの PIN が変更されました。', 'お心当たりがない場合は、すぐに管理者へご連絡ください。'],
  },
  contactChangedMail: {
    subject: '{product} の電話番号またはメールアドレスが変更されました',
    body: [
      '{product} アカウントの電話番号またはメールアドレスが変更されました。',
      'お心当たりがない場合は、すぐに管理者へご連絡ください。',
    ],
  },
  identityTransferredMail: {
    subject: '{product} アカウントの連絡先が移されました',
    body: [
      '組織により、ある {product} アカウントのユーザー名、電話番号またはメールアドレスが別のアカウントに移されました。どちらか一方があなたのアカウントです。',
      'お心当たりがない場合は、管理者へご連絡ください。',
    ],
  },
  deletionPlannedMail: {
    subject: '{product} アカウントは削除されます',
    body: [
      '{product} アカウントの削除が要求されました。アカウントはすべての内容とともに削除されます。',
      'お心当たりがない場合は、ログインして削除を中止し、今すぐパスワードを変更してください。',
    ],
  },
  accountDeletedMail: {
    subject: '{product} アカウントが削除されました',
    body: ['{product} アカウントはすべての内容とともに削除されました。'],
  },
  sessionStolenMail: {
    subject: '{product} のセッションを終了しました（盗用のおそれ）',
    body: [
      '{product} アカウントのセッションが2か所で使われたため、終了しました。',
      'もう一度サインインして、すぐにパスワードを変更してください。',
    ],
  },
  deviceLinkRequestedMail: {
    subject: '新しい端末が {product} のアカウントを求めています',
    body: [
      '誰かがあなたの番号またはアドレスを確認し、新しい端末で {product} のアカウントを求めました。',
      'お使いの端末に承認を求めています。お心当たりがない場合は、端末で拒否してください。',
    ],
  },
  recoveryAskedMail: {
    subject: '{product} の新しいパスワードが要求されました',
    body: [
      '{product} アカウントのパスワードの再設定が要求されました。',
      'お心当たりがない場合は、メールに中止の方法が書かれています。',
    ],
  },
  deviceAddedMail: {
    subject: '{product} に端末が追加されました',
    body: [
      '{product} のアカウントに端末が追加されました。この端末はメッセージを読み、送信します。',
      'お心当たりがない場合は、端末を削除し、今すぐパスワードを変更してください。',
    ],
  },
  deviceRemovedMail: {
    subject: '{product} から端末が削除されました',
    body: [
      '{product} のアカウントから端末が削除されました。',
      'お心当たりがない場合は、すぐに管理者に連絡してください。',
    ],
  },
  deviceIdleMail: {
    subject: '使われていない {product} の端末があります',
    body: [
      '{product} のアカウントに連携した端末が長い間使われていません。まもなくメッセージが届かなくなります。',
      '使い続ける場合はその端末でアプリを開いてください。使わない場合は削除してください。',
    ],
  },
  identityKeyChangedMail: {
    subject: '{product} の ID 鍵が変更されました',
    body: [
      '{product} のアカウントの ID 鍵が変更されました。連絡先に表示されます。',
      'お心当たりがない場合は、すぐに管理者に連絡してください。',
    ],
  },
  recoveryMail: {
    subject: '{product} のパスワードの再設定',
    body: [
      '{product} アカウントのパスワードの再設定が要求されました。',
      '{minutes}分以内に新しいパスワードを設定してください: {link}',
      'お心当たりがない場合は、こちらで中止してください: {stopLink}',
    ],
  },
  recoverySms: '{minutes}分以内に {product} のパスワードを再設定してください: {link}',
  numberRegisteredMail: {
    subject: 'あなたの番号が {product} に登録されようとしています',
    body: [
      '誰かがあなたの番号を {product} に登録しようとしています。',
      'お心当たりがない場合は、コードを誰にも教えないでください。アカウントはあなたのもののままです。',
      '日時 (UTC): {when}。アプリ: {client}。',
      'お心当たりがない場合は、こちらで登録を中止してください: {stopLink}',
    ],
  },
};
