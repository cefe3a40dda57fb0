/** How people are called on the screen. */
import type { Contact } from './history.ts';
import { fill, texts } from './texts.ts';

/** Characters of a user id that tell people without a name apart. */
const idCharacters = 8;

/** Returns the name of a person, or a part of the user id where nobody has said a name. */
export function nameOf({ name, userId }: Pick<Contact, 'name' | 'userId'>): string {
  return name || fill(texts().chats.nameless, { id: userId.slice(0, idCharacters) });
}
