-- The sandbox's store. Times are UTC microseconds. Ids are those the API shows (int32), never reused.
CREATE TABLE IF NOT EXISTS meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS users(
	id INTEGER PRIMARY KEY AUTOINCREMENT,
	email TEXT UNIQUE,                 -- folded to lower case; NULL for bots and deleted people
	nickname TEXT NOT NULL UNIQUE,
	first_name TEXT, last_name TEXT, phone TEXT, department TEXT, title TEXT,
	role TEXT NOT NULL DEFAULT 'user',
	suspended INTEGER NOT NULL DEFAULT 0, bot INTEGER NOT NULL DEFAULT 0, deleted INTEGER NOT NULL DEFAULT 0,
	confirmed INTEGER NOT NULL DEFAULT 0, inviter INTEGER,
	search TEXT NOT NULL DEFAULT '',   -- folded names, address, phone, nickname
	notified INTEGER NOT NULL DEFAULT 0, -- settled notifications; those of current chats are counted from members.base
	invited INTEGER NOT NULL DEFAULT 0,
	created INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS tags(id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS user_tags(tag INTEGER NOT NULL, user INTEGER NOT NULL, PRIMARY KEY(tag, user)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS user_tags_user ON user_tags(user);
CREATE TABLE IF NOT EXISTS tokens(
	id INTEGER PRIMARY KEY AUTOINCREMENT, token TEXT NOT NULL UNIQUE, name TEXT, user INTEGER NOT NULL,
	scopes INTEGER NOT NULL, created INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS chats(
	id INTEGER PRIMARY KEY AUTOINCREMENT,
	kind INTEGER NOT NULL,             -- 0 chat or channel, 1 a thread's chat, 2 one-to-one
	name TEXT NOT NULL, owner INTEGER NOT NULL,
	channel INTEGER NOT NULL DEFAULT 0, public INTEGER NOT NULL DEFAULT 0, archived INTEGER NOT NULL DEFAULT 0,
	thread INTEGER, parent INTEGER,    -- kind 1: the thread, and the chat of its root message
	pair TEXT UNIQUE,                  -- kind 2: "low:high" user ids
	n_messages INTEGER NOT NULL DEFAULT 0,
	n_notify INTEGER NOT NULL DEFAULT 0, -- messages that notified the members
	created INTEGER NOT NULL, last_message INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS chats_recent ON chats(last_message, id);
CREATE TABLE IF NOT EXISTS members(
	chat INTEGER NOT NULL, user INTEGER NOT NULL, role TEXT NOT NULL DEFAULT 'member',
	base INTEGER NOT NULL,             -- n_notify at joining, plus own messages: what did not notify this member
	PRIMARY KEY(chat, user)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS members_user ON members(user, chat);
CREATE TABLE IF NOT EXISTS chat_tags(chat INTEGER NOT NULL, tag INTEGER NOT NULL, PRIMARY KEY(chat, tag)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS chat_tags_tag ON chat_tags(tag);
CREATE TABLE IF NOT EXISTS threads(
	id INTEGER PRIMARY KEY AUTOINCREMENT, chat INTEGER NOT NULL, message INTEGER UNIQUE, message_chat INTEGER,
	updated INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS threads_updated ON threads(updated, id);
CREATE TABLE IF NOT EXISTS messages(
	id INTEGER PRIMARY KEY AUTOINCREMENT, chat INTEGER NOT NULL, root_chat INTEGER NOT NULL,
	entity_type TEXT NOT NULL, entity_id INTEGER NOT NULL,
	content TEXT NOT NULL, user INTEGER NOT NULL, bot INTEGER NOT NULL, display_name TEXT, avatar TEXT,
	parent INTEGER, buttons TEXT, n_files INTEGER NOT NULL DEFAULT 0, n_reactions INTEGER NOT NULL DEFAULT 0,
	thread INTEGER, thread_chat INTEGER, pinned INTEGER NOT NULL DEFAULT 0,
	created INTEGER NOT NULL, changed INTEGER NOT NULL, deleted INTEGER,
	visible INTEGER NOT NULL);         -- lists show it from then on (list-lag)
CREATE INDEX IF NOT EXISTS messages_chat ON messages(chat, id);
CREATE TABLE IF NOT EXISTS files(
	id INTEGER PRIMARY KEY AUTOINCREMENT, message INTEGER NOT NULL, key TEXT NOT NULL, name TEXT NOT NULL,
	file_type TEXT NOT NULL, size INTEGER NOT NULL, width INTEGER, height INTEGER, duration INTEGER, waveform TEXT);
CREATE INDEX IF NOT EXISTS files_message ON files(message, id);
CREATE TABLE IF NOT EXISTS uploads(
	key TEXT PRIMARY KEY, size INTEGER NOT NULL, sha256 TEXT NOT NULL, bytes BLOB, created INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS reactions(
	id INTEGER PRIMARY KEY AUTOINCREMENT, message INTEGER NOT NULL, user INTEGER NOT NULL, code TEXT NOT NULL,
	name TEXT NOT NULL, created INTEGER NOT NULL, UNIQUE(message, user, code));
