-- One row: what this store is.
CREATE TABLE state (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    store TEXT NOT NULL,            -- Random, names this store.
    generation INTEGER NOT NULL,    -- Raised at each opening; see generation.rs.
    cid_key BLOB NOT NULL,          -- Key of the hashes in cids.
    indexed INTEGER NOT NULL        -- Events up to this row are in the search index.
);

CREATE TABLE users (
    n INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    folded TEXT NOT NULL,           -- ' ' and the name in lower case, for finding the beginning of a word.
    at INTEGER NOT NULL,
    seen INTEGER NOT NULL DEFAULT 0,
    not_before INTEGER NOT NULL DEFAULT 0,
    removed INTEGER,
    rooms INTEGER NOT NULL DEFAULT 0
);
-- Who does what the server's API does.
INSERT INTO users (n, id, name, folded, at) VALUES (1, 'moorline', 'Moorline', '', 0);

CREATE TABLE accounts (
    login TEXT PRIMARY KEY,
    user INTEGER NOT NULL UNIQUE,
    password_hash TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE sessions (
    token_hash BLOB PRIMARY KEY,
    id TEXT NOT NULL,
    user INTEGER NOT NULL,
    device TEXT,
    created INTEGER NOT NULL,
    expires INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX sessions_of_user ON sessions (user, created);

-- What a token or a session gives out for a URL: good once and for seconds, then only together with a cookie.
CREATE TABLE tickets (
    hash BLOB PRIMARY KEY,
    user INTEGER NOT NULL,
    session TEXT,                   -- The session that asked for it; absent: a token did.
    issued INTEGER NOT NULL,        -- When that token was made.
    at INTEGER NOT NULL,
    ends INTEGER NOT NULL,          -- When that token or session ends.
    expires INTEGER NOT NULL,       -- When the ticket does: soon, but at that end once it was used.
    holder BLOB                     -- Hash of the cookie that it was exchanged for.
) WITHOUT ROWID;
CREATE INDEX tickets_of_user ON tickets (user, at);
CREATE INDEX tickets_expiring ON tickets (expires);

CREATE TABLE rooms (
    n INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    kind INTEGER NOT NULL,
    history INTEGER NOT NULL,
    name TEXT,
    folded TEXT NOT NULL,           -- The name in lower case.
    epoch INTEGER NOT NULL,
    first INTEGER NOT NULL,
    head INTEGER NOT NULL,
    messages INTEGER NOT NULL,      -- How many messages were ever sent.
    members INTEGER NOT NULL,
    last_message INTEGER NOT NULL,  -- Seq of the newest message, 0 for none.
    active INTEGER NOT NULL,        -- When something last happened.
    at INTEGER NOT NULL,
    pair_low INTEGER,               -- The two people of a direct room.
    pair_high INTEGER,
    made_as BLOB NOT NULL           -- Hash of how it was made: the same again is the same room.
);
CREATE UNIQUE INDEX rooms_pair ON rooms (pair_low, pair_high) WHERE pair_low IS NOT NULL;
CREATE INDEX rooms_public ON rooms (active, n) WHERE kind = 3;

CREATE TABLE members (
    user INTEGER NOT NULL,
    room INTEGER NOT NULL,
    role INTEGER NOT NULL,
    joined INTEGER NOT NULL,        -- Seq of the event that brought them in.
    read INTEGER NOT NULL,
    read_messages INTEGER NOT NULL, -- Running number of messages at that seq.
    PRIMARY KEY (user, room)
) WITHOUT ROWID;
CREATE INDEX members_of_room ON members (room, user);

-- The last time that somebody was removed: a token issued before does not bring them back.
CREATE TABLE removals (
    room INTEGER NOT NULL,
    user INTEGER NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (room, user)
) WITHOUT ROWID;

-- Rows stand in the order of commits; the search index follows them.
CREATE TABLE events (
    n INTEGER PRIMARY KEY,
    room INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    id BLOB NOT NULL,
    sender INTEGER NOT NULL,
    cid,                            -- 16 bytes where it is a UUID, else text.
    at INTEGER NOT NULL,
    messages INTEGER NOT NULL,      -- Running number of messages, this one counted.
    body TEXT NOT NULL,             -- A message as it is now; an edit's text; a name; changes of members as JSON.
    refers BLOB,                    -- The message that it answers or changes.
    target INTEGER,                 -- The seq of the message that it changes.
    edited INTEGER,
    edited_at INTEGER,
    deleted INTEGER,
    deleted_at INTEGER
);
-- By blocks of 16 seqs first, so that the ends of many rooms' logs share pages: by room first, each message of another
-- room makes another page dirty.
CREATE UNIQUE INDEX events_position ON events (seq >> 4, room, seq);
CREATE UNIQUE INDEX events_id ON events (id);
CREATE INDEX events_edits ON events (room, target) WHERE kind = 2;

-- First answers, for ever. The cid leads: UUIDv7 cids are ordered by time, so new rows stay together.
CREATE TABLE cids (
    cid NOT NULL,
    sender INTEGER NOT NULL,
    room INTEGER NOT NULL,          -- 0 for the making of a room.
    hash BLOB NOT NULL,
    epoch INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    id BLOB,
    at INTEGER NOT NULL,
    made INTEGER,                   -- The room made.
    PRIMARY KEY (cid, sender, room)
) WITHOUT ROWID;

-- What words.rs makes of a message, so the tokenizer has only spaces to part it by: to this one every letter that is not
-- ASCII is a part of a word. Whoever takes a message out must say what was put in; nothing here remembers it.
CREATE VIRTUAL TABLE search USING fts5 (
    terms,
    content = '', columnsize = 0,
    detail = 'none',                -- Words without their places: a third less to write.
    tokenize = 'ascii'
);
-- Where the events of an hour since 1970 stand; a clock that was set back makes hours overlap.
CREATE TABLE hours (
    hour INTEGER PRIMARY KEY,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL
);
-- The writer merges the index itself, in short pieces; left to itself it holds up a send for tens of milliseconds.
INSERT INTO search (search, rank) VALUES ('automerge', 0);
INSERT INTO search (search, rank) VALUES ('crisismerge', 1000);
INSERT INTO search (search, rank) VALUES ('usermerge', 16);
-- A deleted message leaves no word behind in the index.
INSERT INTO search (search, rank) VALUES ('secure-delete', 1);
