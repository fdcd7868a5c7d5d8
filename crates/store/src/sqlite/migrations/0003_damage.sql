-- Blobs that turned out to be damaged or gone. What is here is never swept: whoever looks into it
-- finds it as it was found.
CREATE TABLE quarantine (
    blob TEXT NOT NULL PRIMARY KEY,
    -- The run of bytes that is not what was written.
    start INTEGER NOT NULL CHECK (start >= 0),
    length INTEGER NOT NULL CHECK (length >= 0),
    checksum INTEGER NOT NULL,
    -- What named the blob when it was found, and what is wrong with it, for a person.
    held TEXT NOT NULL,
    why TEXT NOT NULL,
    found_at INTEGER NOT NULL CHECK (found_at >= 0)
) STRICT, WITHOUT ROWID;

-- Until when no blob may be deleted, because somebody copies them.
CREATE TABLE holds (
    holder TEXT NOT NULL PRIMARY KEY,
    until INTEGER NOT NULL CHECK (until >= 0)
) STRICT, WITHOUT ROWID;

CREATE INDEX holds_by_time ON holds (until);
