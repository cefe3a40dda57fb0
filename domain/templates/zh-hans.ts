import type { Templates } from './template.ts';

/** Chinese Simplified. */
export const chineseSimplified: Templates = {
  tag: 'zh-Hans',
  direction: 'ltr',
  codeSms: '{code} 是您的 {product} 验证码，{minutes} 分钟内有效，请勿泄露。',
  call: {
    language: 'zh-CN',
    pressKey: '这里是 {product}。请按任意键收听您的验证码。',
    yourCodeIs: '您的验证码是：',
  },
  codeMail: {
    subject: '您的 {product} 验证码',
    body: [
      '您的验证码是 {code}。',
      '{minutes} 分钟内有效。无论谁索要，请勿告诉任何人。',
      '如果不是您本人操作，请忽略此邮件。',
    ],
  },
  welcomeMail: {
    subject: '欢迎使用 {product}',
    body: ['您的 {product} 帐户已就绪。', '现在可以在您的设备上登录。'],
  },
  newDeviceMail: {
    subject: '新设备登录了 {product}',
    body: ['有新设备登录了您的 {product} 帐户。', '如果不是您本人，请立即移除该设备并更改密码。'],
  },
  passwordChangedMail: {
    subject: '您的 {product} 密码已更改',
    body: ['您的 {product} 帐户密码已更改。', '如果不是您本人，请立即联系管理员。'],
  },
  pinChangedMail: {
    subject: '您的 {product} PIN 码已更改',
    body: ['您的 {product} 账户的 PIN 码已更改。', '如果这不是您本人的操作，请立即联系管理员。'],
  },
  contactChangedMail: {
    subject: '您的 {product} 号码或邮箱已更改',
    body: ['您的 {product} 账户的电话号码或电子邮箱已更改。', '如果这不是您本人的操作，请立即联系管理员。'],
  },
  identityTransferredMail: {
    subject: '一个 {product} 账户的联系信息已转移',
    body: [
      '您的组织将一个 {product} 账户的用户名、电话号码或电子邮箱转给了另一个账户。其中一个是您的账户。',
      '如果您对此不知情，请联系管理员。',
    ],
  },
  deletionPlannedMail: {
    subject: '您的 {product} 账户将被删除',
    body: [
      '有人请求删除您的 {product} 账户。账户及其所有内容都将被删除。',
      '如果这不是您本人的操作，请立即登录，停止删除并更改密码。',
    ],
  },
  accountDeletedMail: {
    subject: '您的 {product} 账户已删除',
    body: ['您的 {product} 账户及其所有内容已删除。'],
  },
  sessionStolenMail: {
    subject: '您的 {product} 会话可能被盗，已结束',
    body: ['您的 {product} 账户的一个会话在两处被使用，现已结束。', '请重新登录并立即更改密码。'],
  },
  deviceLinkRequestedMail: {
    subject: '新设备请求使用您的 {product} 帐户',
    body: [
      '有人验证了您的号码或地址，并请求在新设备上使用您的 {product} 帐户。',
      '已请您的设备批准。如果不是您本人，请在设备上拒绝。',
    ],
  },
  recoveryAskedMail: {
    subject: '有人请求了新的 {product} 密码',
    body: ['有人请求重置您的 {product} 账户的密码。', '如果这不是您本人的操作，我们的邮件说明了如何阻止。'],
  },
  deviceAddedMail: {
    subject: '{product} 已添加设备',
    body: [
      '您的 {product} 帐户添加了一台设备。它会读取和发送您的消息。',
      '如果不是您本人，请立即移除该设备并更改密码。',
    ],
  },
  deviceRemovedMail: {
    subject: '{product} 已移除设备',
    body: ['您的 {product} 帐户移除了一台设备。', '如果不是您本人，请立即联系管理员。'],
  },
  deviceIdleMail: {
    subject: '您有一台 {product} 设备未使用',
    body: [
      '与您的 {product} 帐户关联的一台设备长时间未使用。它很快将不再收到消息。',
      '如要保留,请在该设备上打开应用;否则请移除该设备。',
    ],
  },
  identityKeyChangedMail: {
    subject: '您的 {product} 身份密钥已更改',
    body: ['您的 {product} 帐户的身份密钥已更改。您的联系人会看到。', '如果不是您本人，请立即联系管理员。'],
  },
  recoveryMail: {
    subject: '重置您的 {product} 密码',
    body: [
      '有人请求重置您的 {product} 账户的密码。',
      '请在 {minutes} 分钟内设置新密码：{link}',
      '如果这不是您本人的操作，请在此阻止：{stopLink}',
    ],
  },
  recoverySms: '请在 {minutes} 分钟内重置 {product} 密码：{link}',
  numberRegisteredMail: {
    subject: '有人正在用您的号码注册 {product}',
    body: [
      '有人请求用您的号码注册 {product}。',
      '如果不是您本人，请勿泄露任何验证码。您的帐户仍属于您。',
      '时间 (UTC)：{when}。应用：{client}。',
      '如果不是您本人，请在此停止注册：{stopLink}',
    ],
  },
};
