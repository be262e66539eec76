-- Running number of messages at the newest event that was pruned: what is gone is unread by nobody.
ALTER TABLE rooms ADD COLUMN pruned INTEGER NOT NULL DEFAULT 0;
-- Seconds that the room's events are kept, 0 for ever; absent: as long as the server says.
ALTER TABLE rooms ADD COLUMN retention INTEGER;
CREATE INDEX rooms_retention ON rooms (n) WHERE retention IS NOT NULL;

-- Under whose name events of erased people stand. Nobody can sign in as it.
INSERT OR IGNORE INTO users (id, name, folded, at, removed) VALUES ('deleted', 'Deleted account', '', 0, 0);

-- People whose erasing has begun and is not through.
CREATE TABLE erasures (
    user INTEGER PRIMARY KEY,
    keeps INTEGER NOT NULL          -- Whether their messages stay, under the name of nobody.
);
