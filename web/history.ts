/**
 * The messages that this page shows, in IndexedDB beside the store of the client. The client hands a message out until
 * the page has kept it, so every write here may be repeated: an entry has the id of its message.
 */
import { type DBSchema, deleteDB, type IDBPDatabase, openDB } from 'idb';
import { type Entry, furtherState, type OwnEntry, type SendState } from './timeline.ts';

/** A person as this device knows one. */
export interface Contact {
  userId: string;
  /** What the person calls itself, or what the user calls the person; empty when nobody said. */
  name: string;
  /** The user has chosen the name, so that the person cannot change it. */
  isNameChosen: boolean;
  unread: number;
  /** Milliseconds since the Unix epoch, of the last entry. */
  lastAt: number;
  lastText: string;
}

interface Schema extends DBSchema {
  entries: { key: string; value: Entry; indexes: { timeline: [string, number]; messageIds: string; state: string } };
  contacts: { key: string; value: Contact };
}

/** What this page remembers of conversations. */
export interface History {
  /** Keeps an entry. One that is known stays as it is. `name` is what the person calls itself. */
  add(entry: Entry, options?: { name?: string | undefined }): Promise<void>;
  /** Records that the server has an own message, with the ids of its copies. */
  recordSent(id: string, messageIds: readonly string[]): Promise<void>;
  /** Records why an own message was refused; undefined when it is sent again. */
  recordRefused(id: string, code: string | undefined): Promise<void>;
  /** Records a report of the other person about own messages. */
  recordReceipt(messageIds: readonly string[], state: SendState): Promise<void>;
  /** Returns own messages of which is not known whether the server has them. */
  queued(): Promise<OwnEntry[]>;
  /** Marks the messages of a person as read, and returns the ids of those that were not. */
  markRead(userId: string): Promise<string[]>;
  /** Returns the last entries of a conversation, oldest first, with those that concern every conversation. */
  timeline(userId: string, limit: number): Promise<Entry[]>;
  contacts(): Promise<Contact[]>;
  contact(userId: string): Promise<Contact>;
  /** Keeps the name that the user gives a person; an empty one lets the person choose again. */
  rename(userId: string, name: string): Promise<void>;
  /** Runs a listener after each change, until the function that it returns is called. */
  subscribe(listener: () => void): () => void;
  close(): void;
}

/** Reports about messages whose ids are not known yet that are remembered. */
const earlyReceiptsMax = 200;
/** Characters of the last message in the list of conversations. */
const previewMax = 120;

/** Opens the history of an account on this device. */
export async function openHistory(userId: string): Promise<History> {
  const database = await openDB<Schema>(nameOf(userId), 1, {
    upgrade(created) {
      const entries = created.createObjectStore('entries', { keyPath: 'id' });
      entries.createIndex('timeline', ['userId', 'at']);
      entries.createIndex('state', 'state');
      entries.createIndex('messageIds', 'messageIds', { multiEntry: true });
      created.createObjectStore('contacts', { keyPath: 'userId' });
    },
  });
  return historyOf(database);
}

/** Deletes the history of an account on this device. */
export async function deleteHistory(userId: string): Promise<void> {
  await deleteDB(nameOf(userId));
}

function nameOf(userId: string): string {
  return `vyry-history-${userId}`;
}

function historyOf(database: IDBPDatabase<Schema>): History {
  const listeners = new Set<() => void>();
  // a receipt may overtake the answer of the send that tells the ids which it names
  const earlyReceipts = new Map<string, SendState>();
  const announce = () => {
    for (const listener of listeners) listener();
  };
  const change = async (id: string, write: (entry: OwnEntry) => void) => {
    const transaction = database.transaction('entries', 'readwrite');
    const entry = await transaction.store.get(id);
    if (entry?.kind === 'own') {
      write(entry);
      await transaction.store.put(entry);
    }
    await transaction.done;
    announce();
  };
  return {
    async add(entry, { name } = {}) {
      await addEntry(database, entry, name);
      announce();
    },
    recordSent: (id, messageIds) =>
      change(id, (entry) => {
        entry.messageIds = [...messageIds];
        const states = messageIds.map((messageId) => earlyReceipts.get(messageId) ?? 'sent');
        entry.state = states.reduce(furtherState, furtherState(entry.state, 'sent'));
      }),
    recordRefused: (id, code) =>
      change(id, (entry) => {
        if (code === undefined) delete entry.refusedFor;
        else entry.refusedFor = code;
      }),
    async recordReceipt(messageIds, state) {
      for (const messageId of messageIds) {
        const id = await database.getKeyFromIndex('entries', 'messageIds', messageId);
        if (id === undefined) rememberReceipt(earlyReceipts, messageId, state);
        else
          await change(id, (entry) => {
            entry.state = furtherState(entry.state, state);
          });
      }
    },
    async queued() {
      const entries = await database.getAllFromIndex('entries', 'state', 'queued');
      return entries.filter((entry): entry is OwnEntry => entry.kind === 'own' && entry.refusedFor === undefined);
    },
    async markRead(userId) {
      const ids = await markEntriesRead(database, userId);
      if (ids.length > 0) announce();
      return ids;
    },
    timeline: (userId, limit) => timelineOf(database, userId, limit),
    contacts: () => database.getAll('contacts'),
    contact: async (userId) => (await database.get('contacts', userId)) ?? newContact(userId),
    async rename(userId, name) {
      const contact = (await database.get('contacts', userId)) ?? newContact(userId);
      await database.put('contacts', { ...contact, name, isNameChosen: name !== '' });
      announce();
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    close: () => database.close(),
  };
}

async function addEntry(database: IDBPDatabase<Schema>, entry: Entry, name = ''): Promise<void> {
  const transaction = database.transaction(['entries', 'contacts'], 'readwrite');
  const entries = transaction.objectStore('entries');
  const contacts = transaction.objectStore('contacts');
  if ((await entries.getKey(entry.id)) === undefined) {
    await entries.put(entry);
    if (entry.userId !== '') {
      const contact = (await contacts.get(entry.userId)) ?? newContact(entry.userId);
      await contacts.put(contactAfter(contact, entry, name));
    }
  }
  await transaction.done;
}

/** Returns a contact with the entry as its last one. */
export function contactAfter(contact: Contact, entry: Entry, name = ''): Contact {
  const isMessage = entry.kind === 'received' || entry.kind === 'own';
  const isNewest = entry.at >= contact.lastAt;
  return {
    ...contact,
    name: contact.isNameChosen || name === '' ? contact.name : name,
    unread: contact.unread + (entry.kind === 'received' && !entry.isRead ? 1 : 0),
    lastAt: Math.max(contact.lastAt, entry.at),
    lastText: isMessage && isNewest ? entry.text.slice(0, previewMax) : contact.lastText,
  };
}

function newContact(userId: string): Contact {
  return { userId, name: '', isNameChosen: false, unread: 0, lastAt: 0, lastText: '' };
}

async function markEntriesRead(database: IDBPDatabase<Schema>, userId: string): Promise<string[]> {
  const ids: string[] = [];
  const transaction = database.transaction(['entries', 'contacts'], 'readwrite');
  const contacts = transaction.objectStore('contacts');
  const contact = await contacts.get(userId);
  if (contact && contact.unread > 0) {
    const index = transaction.objectStore('entries').index('timeline');
    // the newest first: as many as are unread
    for (
      let cursor = await index.openCursor(rangeOf(userId), 'prev');
      cursor && ids.length < contact.unread;
      cursor = await cursor.continue()
    ) {
      if (cursor.value.kind !== 'received' || cursor.value.isRead) continue;
      ids.push(cursor.value.id);
      await cursor.update({ ...cursor.value, isRead: true });
    }
    await contacts.put({ ...contact, unread: 0 });
  }
  await transaction.done;
  return ids;
}

async function timelineOf(database: IDBPDatabase<Schema>, userId: string, limit: number): Promise<Entry[]> {
  const entries: Entry[] = [];
  const index = database.transaction('entries').store.index('timeline');
  for (
    let cursor = await index.openCursor(rangeOf(userId), 'prev');
    cursor && entries.length < limit;
    cursor = await cursor.continue()
  )
    entries.unshift(cursor.value);
  const oldest = entries[0]?.at ?? Number.POSITIVE_INFINITY;
  const common = await database.getAllFromIndex('entries', 'timeline', rangeOf(''));
  return [...common.filter(({ at }) => at >= oldest), ...entries].sort((one, other) => one.at - other.at);
}

function rangeOf(userId: string): IDBKeyRange {
  return IDBKeyRange.bound([userId, 0], [userId, Number.POSITIVE_INFINITY]);
}

function rememberReceipt(early: Map<string, SendState>, messageId: string, state: SendState): void {
  early.set(messageId, furtherState(early.get(messageId) ?? 'sent', state));
  const [oldest] = early.keys();
  if (early.size > earlyReceiptsMax && oldest !== undefined) early.delete(oldest);
}
