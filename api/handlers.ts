/** The handler of every operation. The key is the `operationId` and the name of the function. */
import { tokenOperations } from '../contract/auth.ts';
import { operations } from '../contract/operations.ts';
import { disableUser } from './admin/disable.ts';
import { listRegistrations } from './admin/registrations.ts';
import { readRoles, replaceRoles } from './admin/roles.ts';
import { beginLogIn } from './auth/log-in.ts';
import { changePassword } from './auth/password-change.ts';
import { changePin, verifyPin } from './auth/pin.ts';
import { beginPinReset, resetPin } from './auth/pin-reset.ts';
import { forgetPassword, resetPassword, stopRecovery } from './auth/recovery.ts';
import { refreshTokens } from './auth/refresh.ts';
import { endSession, listSessions, logOut, readSession } from './auth/sessions.ts';
import { stepUp } from './auth/step-up.ts';
import { validateToken } from './auth/validate.ts';
import { receiveInfobipReport, receiveTwilioReport } from './callbacks/delivery-reports.ts';
import { voiceTwiml } from './callbacks/twilio-voice.ts';
import { changeConversation } from './conversations/change.ts';
import { listConversations } from './conversations/list.ts';
import { readConversation } from './conversations/read.ts';
import { addDevice } from './devices/add.ts';
import { readKeyState, takeDeviceKeys, takeKeys, uploadKeys } from './devices/keys.ts';
import { listDevices } from './devices/list.ts';
import { readPushConfig, setPush, testPush } from './devices/push.ts';
import { renameDevice } from './devices/rename.ts';
import { revokeDevice } from './devices/revoke.ts';
import { rotateIdentity } from './devices/rotate.ts';
import { approveLink, denyLink } from './links/answer.ts';
import { claimLink } from './links/claim.ts';
import { completeLink } from './links/complete.ts';
import { createLink } from './links/create.ts';
import { listLinkRequests, readLink, readLinkRequest } from './links/read.ts';
import { revealLink } from './links/reveal.ts';
import { acknowledgeMessage, acknowledgeMessages } from './messages/acknowledge.ts';
import { readMessages } from './messages/read.ts';
import { sendMessage } from './messages/send.ts';
import { submitApproval } from './registrations/approval.ts';
import { cancelRegistration } from './registrations/cancel.ts';
import { offerCaptcha, verifyCaptcha } from './registrations/captcha.ts';
import { sendCode, verifyCode } from './registrations/code.ts';
import { createRegistration } from './registrations/create.ts';
import { submitCredentials } from './registrations/credentials.ts';
import { submitDevice } from './registrations/device.ts';
import { verifyDirectory } from './registrations/directory.ts';
import { readRegistration } from './registrations/read.ts';
import { register } from './registrations/register.ts';
import { createRegistrationSession } from './registrations/session.ts';
import { submitSignal } from './registrations/signal.ts';
import { stopRegistrations } from './registrations/stop.ts';
import { servedBy } from './serve.ts';
import { readHealth, readReadiness } from './system/health.ts';
import { readPublicKeys } from './system/public-keys.ts';
import { verifyContact } from './users/contact.ts';
import { deleteAccount, readDeletion, stopAccountDeletion } from './users/deletion.ts';
import { exportAccount } from './users/export.ts';
import { readMe } from './users/me.ts';
import { changeProfile } from './users/profile.ts';
import { verify } from './verify.ts';

/** The operations of REST. */
export const served = servedBy(
  { ...operations, ...tokenOperations },
  {
    createRegistration,
    readRegistration,
    verifyDirectory,
    offerCaptcha,
    verifyCaptcha,
    sendCode,
    verifyCode,
    submitCredentials,
    submitApproval,
    submitDevice,
    submitSignal,
    createRegistrationSession,
    cancelRegistration,
    stopRegistrations,
    register,
    beginLogIn,
    beginLogInAlias: beginLogIn,
    verify,
    verifyAlias: verify,
    refreshTokens,
    logOut,
    readSession,
    readMeAlias: readMe,
    listSessions,
    endSession,
    forgetPassword,
    resetPassword,
    stopRecovery,
    changePassword,
    changePin,
    verifyPin,
    stepUp,
    beginPinReset,
    resetPin,
    readMe,
    changeProfile,
    exportAccount,
    deleteAccount,
    stopAccountDeletion,
    readDeletion,
    verifyContact,
    createLink,
    listLinkRequests,
    readLink,
    readLinkRequest,
    claimLink,
    revealLink,
    approveLink,
    denyLink,
    completeLink,
    addDevice,
    listDevices,
    renameDevice,
    revokeDevice,
    rotateIdentity,
    uploadKeys,
    readKeyState,
    takeKeys,
    takeDeviceKeys,
    readPushConfig,
    setPush,
    testPush,
    sendMessage,
    readMessages,
    acknowledgeMessages,
    acknowledgeMessage,
    listConversations,
    readConversation,
    changeConversation,
    readRoles,
    replaceRoles,
    disableUser,
    listRegistrations,
    voiceTwiml,
    receiveTwilioReport,
    receiveInfobipReport,
    readPublicKeys,
    readHealth,
    readReadiness,
    validateToken,
  },
);
