import type { Templates } from './template.ts';

/** Korean. */
export const korean: Templates = {
  tag: 'ko',
  direction: 'ltr',
  codeSms: '{code}: {product} 인증 코드입니다. {minutes}분간 유효하며 공유하지 마세요.',
  call: {
    language: 'ko-KR',
    pressKey: '{product}입니다. 인증 코드를 들으려면 아무 키나 누르세요.',
    yourCodeIs: '코드는 다음과 같습니다.',
  },
  codeMail: {
    subject: '{product} 인증 코드',
    body: [
      '인증 코드는 {code}입니다.',
      '{minutes}분간 유효합니다. 누가 물어도 알려 주지 마세요.',
      '요청하지 않았다면 이 메일을 무시하세요.',
    ],
  },
  welcomeMail: {
    subject: '{product}에 오신 것을 환영합니다',
    body: ['{product} 계정이 준비되었습니다.', '이제 기기에서 로그인할 수 있습니다.'],
  },
  newDeviceMail: {
    subject: '{product}에 새 기기가 로그인함',
    body: ['새 기기가 {product} 계정에 로그인했습니다.', '본인이 아니라면 기기를 제거하고 지금 비밀번호를 바꾸세요.'],
  },
  passwordChangedMail: {
    subject: '{product} 비밀번호가 변경됨',
    body: ['{product} 계정의 비밀번호가 변경되었습니다.', '본인이 아니라면 즉시 관리자에게 알리세요.'],
  },
  pinChangedMail: {
    subject: '{product} PIN이 변경되었습니다',
    body: ['{product} 계정의 PIN이 변경되었습니다.', '본인이 변경하지 않았다면 지금 관리자에게 문의하세요.'],
  },
  contactChangedMail: {
    subject: '{product} 전화번호 또는 이메일 주소가 변경되었습니다',
    body: [
      '{product} 계정의 전화번호 또는 이메일 주소가 변경되었습니다.',
      '본인이 변경하지 않았다면 지금 관리자에게 문의하세요.',
    ],
  },
  identityTransferredMail: {
    subject: '{product} 계정의 연락처가 이전되었습니다',
    body: [
      '조직에서 한 {product} 계정의 사용자 이름, 전화번호 또는 이메일 주소를 다른 계정으로 옮겼습니다. 둘 중 하나가 회원님의 계정입니다.',
      '예상하지 못한 일이라면 관리자에게 문의하세요.',
    ],
  },
  deletionPlannedMail: {
    subject: '{product} 계정이 삭제될 예정입니다',
    body: [
      '누군가 {product} 계정의 삭제를 요청했습니다. 계정은 모든 내용과 함께 삭제됩니다.',
      '본인이 아니라면 지금 로그인하여 삭제를 중단하고 비밀번호를 변경하세요.',
    ],
  },
  accountDeletedMail: {
    subject: '{product} 계정이 삭제되었습니다',
    body: ['{product} 계정이 모든 내용과 함께 삭제되었습니다.'],
  },
  sessionStolenMail: {
    subject: '{product} 세션이 종료됨: 도용되었을 수 있음',
    body: ['{product} 계정의 세션이 두 곳에서 사용되어 종료되었습니다.', '다시 로그인하고 지금 비밀번호를 변경하세요.'],
  },
  deviceLinkRequestedMail: {
    subject: '새 기기가 {product} 계정을 요청함',
    body: [
      '누군가 회원님의 번호나 주소를 확인하고 새 기기에서 {product} 계정을 요청했습니다.',
      '회원님의 기기에 승인을 요청했습니다. 본인이 아니라면 기기에서 거부하세요.',
    ],
  },
  recoveryAskedMail: {
    subject: '누군가 새 {product} 비밀번호를 요청했습니다',
    body: [
      '누군가 {product} 계정의 비밀번호 재설정을 요청했습니다.',
      '본인이 아니라면 저희 이메일에 중단 방법이 있습니다.',
    ],
  },
  deviceAddedMail: {
    subject: '{product}에 기기가 추가됨',
    body: [
      '{product} 계정에 기기가 추가되었습니다. 이 기기는 메시지를 읽고 보냅니다.',
      '본인이 아니라면 기기를 제거하고 지금 비밀번호를 바꾸세요.',
    ],
  },
  deviceRemovedMail: {
    subject: '{product}에서 기기가 제거됨',
    body: ['{product} 계정에서 기기가 제거되었습니다.', '본인이 아니라면 즉시 관리자에게 알리세요.'],
  },
  deviceIdleMail: {
    subject: '{product} 기기를 사용하지 않고 있음',
    body: [
      '{product} 계정에 연결된 기기를 오랫동안 사용하지 않았습니다. 곧 메시지를 받지 못하게 됩니다.',
      '계속 쓰려면 그 기기에서 앱을 여세요. 그렇지 않으면 제거하세요.',
    ],
  },
  identityKeyChangedMail: {
    subject: '{product} 신원 키가 변경됨',
    body: [
      '{product} 계정의 신원 키가 변경되었습니다. 연락처에 표시됩니다.',
      '본인이 아니라면 즉시 관리자에게 알리세요.',
    ],
  },
  recoveryMail: {
    subject: '{product} 비밀번호 재설정',
    body: [
      '누군가 {product} 계정의 비밀번호 재설정을 요청했습니다.',
      '{minutes}분 안에 새 비밀번호를 정하세요: {link}',
      '본인이 아니라면 여기에서 중단하세요: {stopLink}',
    ],
  },
  recoverySms: '{minutes}분 안에 {product} 비밀번호를 재설정하세요: {link}',
  numberRegisteredMail: {
    subject: '누군가 내 번호를 {product}에 등록 중',
    body: [
      '누군가 회원님의 번호를 {product}에 등록하려고 합니다.',
      '본인이 아니라면 어떤 코드도 알려 주지 마세요. 계정은 그대로 회원님의 것입니다.',
      '시간(UTC): {when}. 앱: {client}.',
      '본인이 아니라면 여기에서 등록을 중단하세요: {stopLink}',
    ],
  },
};
