/** Defines the element `vyry-<name>` of every route. They are one file, because files compress better together. */
import './screens/account.ts';
import './screens/chat.ts';
import './screens/chats.ts';
import './screens/data.ts';
import './screens/devices.ts';
import './screens/link.ts';
import './screens/link-device.ts';
import './screens/link-opened.ts';
import './screens/not-me.ts';
import './screens/password.ts';
import './screens/people.ts';
import './screens/recover.ts';
import './screens/register.ts';
import './screens/safety.ts';
import './screens/security.ts';
import './screens/sessions.ts';
import './screens/sign-in.ts';
