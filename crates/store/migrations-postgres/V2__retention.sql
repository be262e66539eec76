-- Running number of messages at the newest event that was pruned: what is gone is unread by nobody.
ALTER TABLE rooms ADD COLUMN pruned BIGINT NOT NULL DEFAULT 0;
-- Seconds that the room's events are kept, 0 for ever; absent: as long as the server says.
ALTER TABLE rooms ADD COLUMN retention BIGINT;
CREATE INDEX rooms_retention ON rooms (n) WHERE retention IS NOT NULL;

-- Under whose name events of erased people stand. Nobody can sign in as it.
INSERT INTO users (id, name, folded, at, removed) VALUES ('deleted', 'Deleted account', '', 0, 0)
    ON CONFLICT DO NOTHING;

-- People whose erasing has begun and is not through.
CREATE TABLE erasures (
    usr BIGINT PRIMARY KEY,
    keeps BIGINT NOT NULL          -- Whether their messages stay, under the name of nobody.
);

-- One row: which node prunes, and until when the others leave it to that one.
CREATE TABLE upkeep (
    one BOOLEAN PRIMARY KEY DEFAULT TRUE CHECK (one),
    node TEXT NOT NULL,
    until TIMESTAMPTZ NOT NULL
);
