import type { Templates } from './template.ts';

/** Vietnamese. */
export const vietnamese: Templates = {
  tag: 'vi',
  direction: 'ltr',
  codeSms: '{code} là mã {product} của bạn. Không chia sẻ mã.',
  call: {
    language: 'vi-VN',
    voice: 'Google.vi-VN-Standard-A',
    pressKey: 'Đây là {product}. Nhấn phím bất kỳ để nghe mã xác minh của bạn.',
    yourCodeIs: 'Mã của bạn là:',
  },
  codeMail: {
    subject: 'Mã xác minh {product} của bạn',
    body: [
      'Mã xác minh của bạn là {code}.',
      'Mã có hiệu lực trong {minutes} phút. Không chia sẻ mã với bất kỳ ai.',
      'Nếu bạn không yêu cầu, hãy bỏ qua thư này.',
    ],
  },
  welcomeMail: {
    subject: 'Chào mừng bạn đến với {product}',
    body: ['Tài khoản {product} của bạn đã sẵn sàng.', 'Bây giờ bạn có thể đăng nhập trên các thiết bị của mình.'],
  },
  newDeviceMail: {
    subject: 'Thiết bị mới đăng nhập {product}',
    body: [
      'Một thiết bị mới đã đăng nhập vào tài khoản {product} của bạn.',
      'Nếu không phải bạn, hãy gỡ thiết bị và đổi mật khẩu ngay.',
    ],
  },
  passwordChangedMail: {
    subject: 'Mật khẩu {product} của bạn đã thay đổi',
    body: [
      'Mật khẩu tài khoản {product} của bạn đã thay đổi.',
      'Nếu không phải bạn, hãy liên hệ ngay với quản trị viên.',
    ],
  },
  pinChangedMail: {
    subject: 'Mã PIN {product} của bạn đã được thay đổi',
    body: [
      'Mã PIN của tài khoản {product} của bạn đã được thay đổi.',
      'Nếu không phải bạn, hãy liên hệ ngay với quản trị viên.',
    ],
  },
  contactChangedMail: {
    subject: 'Số hoặc địa chỉ {product} của bạn đã được thay đổi',
    body: [
      'Số điện thoại hoặc địa chỉ email của tài khoản {product} của bạn đã được thay đổi.',
      'Nếu không phải bạn, hãy liên hệ ngay với quản trị viên.',
    ],
  },
  identityTransferredMail: {
    subject: 'Thông tin liên hệ của một tài khoản {product} đã được chuyển',
    body: [
      'Tổ chức của bạn đã chuyển tên người dùng, số điện thoại hoặc địa chỉ email của một tài khoản {product} sang tài khoản khác. Một trong hai là của bạn.',
      'Nếu bạn không mong đợi điều này, hãy liên hệ với quản trị viên.',
    ],
  },
  deletionPlannedMail: {
    subject: 'Tài khoản {product} của bạn sẽ bị xóa',
    body: [
      'Có người yêu cầu xóa tài khoản {product} của bạn. Tài khoản sẽ bị xóa cùng mọi nội dung.',
      'Nếu không phải bạn, hãy đăng nhập, dừng việc xóa và đổi mật khẩu ngay.',
    ],
  },
  accountDeletedMail: {
    subject: 'Tài khoản {product} của bạn đã bị xóa',
    body: ['Tài khoản {product} của bạn đã bị xóa cùng mọi nội dung.'],
  },
  sessionStolenMail: {
    subject: 'Phiên {product} đã bị kết thúc: có thể bị đánh cắp',
    body: [
      'Một phiên của tài khoản {product} đã được dùng ở hai nơi và đã bị kết thúc.',
      'Hãy đăng nhập lại và đổi mật khẩu ngay.',
    ],
  },
  deviceLinkRequestedMail: {
    subject: 'Thiết bị mới yêu cầu tài khoản {product} của bạn',
    body: [
      'Có người đã xác minh số hoặc địa chỉ của bạn và yêu cầu tài khoản {product} của bạn trên một thiết bị mới.',
      'Các thiết bị của bạn đã được hỏi ý kiến. Nếu không phải bạn, hãy từ chối ở đó.',
    ],
  },
  recoveryAskedMail: {
    subject: 'Có người yêu cầu mật khẩu {product} mới',
    body: [
      'Có người yêu cầu đặt lại mật khẩu tài khoản {product} của bạn.',
      'Nếu không phải bạn, email của chúng tôi cho biết cách dừng lại.',
    ],
  },
  deviceAddedMail: {
    subject: 'Đã thêm thiết bị vào {product}',
    body: [
      'Một thiết bị đã được thêm vào tài khoản {product} của bạn. Nó đọc và gửi tin nhắn của bạn.',
      'Nếu không phải bạn, hãy gỡ thiết bị và đổi mật khẩu ngay.',
    ],
  },
  deviceRemovedMail: {
    subject: 'Đã gỡ thiết bị khỏi {product}',
    body: [
      'Một thiết bị đã được gỡ khỏi tài khoản {product} của bạn.',
      'Nếu không phải bạn, hãy liên hệ ngay với quản trị viên.',
    ],
  },
  deviceIdleMail: {
    subject: 'Một thiết bị {product} không được dùng',
    body: [
      'Một thiết bị liên kết với tài khoản {product} của bạn đã lâu không được dùng. Sắp tới thiết bị đó sẽ không nhận được tin nhắn nữa.',
      'Hãy mở ứng dụng trên thiết bị đó nếu muốn giữ lại. Nếu không, hãy gỡ thiết bị.',
    ],
  },
  identityKeyChangedMail: {
    subject: 'Khóa định danh {product} của bạn đã đổi',
    body: [
      'Khóa định danh của tài khoản {product} của bạn đã đổi. Các liên hệ của bạn thấy điều này.',
      'Nếu không phải bạn, hãy liên hệ ngay với quản trị viên.',
    ],
  },
  recoveryMail: {
    subject: 'Đặt lại mật khẩu {product}',
    body: [
      'Có người yêu cầu đặt lại mật khẩu tài khoản {product} của bạn.',
      'Chọn mật khẩu mới trong vòng {minutes} phút: {link}',
      'Nếu không phải bạn, hãy dừng lại tại đây: {stopLink}',
    ],
  },
  recoverySms: 'Đặt lại mật khẩu {product} trong {minutes} phút: {link}',
  numberRegisteredMail: {
    subject: 'Có người đang đăng ký số của bạn với {product}',
    body: [
      'Có người yêu cầu đăng ký số của bạn với {product}.',
      'Nếu không phải bạn, đừng chia sẻ mã nào. Tài khoản vẫn là của bạn.',
      'Thời gian (UTC): {when}. Ứng dụng: {client}.',
      'Nếu không phải bạn, hãy dừng việc đăng ký tại đây: {stopLink}',
    ],
  },
};
