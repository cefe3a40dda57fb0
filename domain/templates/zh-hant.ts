import type { Templates } from './template.ts';

/** Chinese Traditional. */
export const chineseTraditional: Templates = {
  tag: 'zh-Hant',
  direction: 'ltr',
  codeSms: '{code} 是您的 {product} 驗證碼，{minutes} 分鐘內有效，請勿洩露。',
  call: {
    language: 'zh-TW',
    pressKey: '這裡是 {product}。請按任意鍵收聽您的驗證碼。',
    yourCodeIs: '您的驗證碼是：',
  },
  codeMail: {
    subject: '您的 {product} 驗證碼',
    body: [
      '您的驗證碼是 {code}。',
      '{minutes} 分鐘內有效。無論誰索取，請勿告訴任何人。',
      '如果不是您本人操作，請忽略此郵件。',
    ],
  },
  welcomeMail: {
    subject: '歡迎使用 {product}',
    body: ['您的 {product} 帳戶已就緒。', '現在可以在您的裝置上登入。'],
  },
  newDeviceMail: {
    subject: '新裝置登入了 {product}',
    body: ['有新裝置登入了您的 {product} 帳戶。', '如果不是您本人，請立即移除該裝置並變更密碼。'],
  },
  passwordChangedMail: {
    subject: '您的 {product} 密碼已變更',
    body: ['您的 {product} 帳戶密碼已變更。', '如果不是您本人，請立即聯絡管理員。'],
  },
  pinChangedMail: {
    subject: '您的 {product} PIN 碼已變更',
    body: ['您的 {product} 帳戶的 PIN 碼已變更。', '如果這不是您本人的操作，請立即聯絡管理員。'],
  },
  contactChangedMail: {
    subject: '您的 {product} 號碼或信箱已變更',
    body: ['您的 {product} 帳戶的電話號碼或電子郵件地址已變更。', '如果這不是您本人的操作，請立即聯絡管理員。'],
  },
  identityTransferredMail: {
    subject: '一個 {product} 帳戶的聯絡資料已轉移',
    body: [
      '您的組織將一個 {product} 帳戶的使用者名稱、電話號碼或電子郵件地址轉給了另一個帳戶。其中一個是您的帳戶。',
      '如果您對此不知情，請聯絡管理員。',
    ],
  },
  deletionPlannedMail: {
    subject: '您的 {product} 帳戶將被刪除',
    body: [
      '有人要求刪除您的 {product} 帳戶。帳戶及其所有內容都將被刪除。',
      '如果這不是您本人的操作，請立即登入，停止刪除並變更密碼。',
    ],
  },
  accountDeletedMail: {
    subject: '您的 {product} 帳戶已刪除',
    body: ['您的 {product} 帳戶及其所有內容已刪除。'],
  },
  sessionStolenMail: {
    subject: '您的 {product} 工作階段可能遭竊，已結束',
    body: ['您的 {product} 帳戶的一個工作階段在兩處被使用，現已結束。', '請重新登入並立即變更密碼。'],
  },
  deviceLinkRequestedMail: {
    subject: '新裝置要求使用您的 {product} 帳戶',
    body: [
      '有人驗證了您的號碼或地址，並要求在新裝置上使用您的 {product} 帳戶。',
      '已請您的裝置核准。如果不是您本人，請在裝置上拒絕。',
    ],
  },
  recoveryAskedMail: {
    subject: '有人要求了新的 {product} 密碼',
    body: ['有人要求重設您的 {product} 帳戶的密碼。', '如果這不是您本人的操作，我們的郵件說明了如何阻止。'],
  },
  deviceAddedMail: {
    subject: '{product} 已新增裝置',
    body: [
      '您的 {product} 帳戶新增了一台裝置。它會讀取和傳送您的訊息。',
      '如果不是您本人，請立即移除該裝置並變更密碼。',
    ],
  },
  deviceRemovedMail: {
    subject: '{product} 已移除裝置',
    body: ['您的 {product} 帳戶移除了一台裝置。', '如果不是您本人，請立即聯絡管理員。'],
  },
  deviceIdleMail: {
    subject: '您有一台 {product} 裝置未使用',
    body: [
      '與您的 {product} 帳戶連結的一台裝置長時間未使用。它很快將不再收到訊息。',
      '如要保留,請在該裝置上開啟應用程式;否則請移除該裝置。',
    ],
  },
  identityKeyChangedMail: {
    subject: '您的 {product} 身分金鑰已變更',
    body: ['您的 {product} 帳戶的身分金鑰已變更。您的聯絡人會看到。', '如果不是您本人，請立即聯絡管理員。'],
  },
  recoveryMail: {
    subject: '重設您的 {product} 密碼',
    body: [
      '有人要求重設您的 {product} 帳戶的密碼。',
      '請在 {minutes} 分鐘內設定新密碼：{link}',
      '如果這不是您本人的操作，請在此阻止：{stopLink}',
    ],
  },
  recoverySms: '請在 {minutes} 分鐘內重設 {product} 密碼：{link}',
  numberRegisteredMail: {
    subject: '有人正在用您的號碼註冊 {product}',
    body: [
      '有人要求用您的號碼註冊 {product}。',
      '如果不是您本人，請勿洩露任何驗證碼。您的帳戶仍屬於您。',
      '時間 (UTC)：{when}。應用程式：{client}。',
      '如果不是您本人，請在此停止註冊：{stopLink}',
    ],
  },
};
