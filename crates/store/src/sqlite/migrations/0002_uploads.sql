-- Uploads in parts take the name of the table that held announced blobs.
ALTER TABLE uploads RENAME TO announcements;

CREATE TABLE uploads (
    id TEXT NOT NULL PRIMARY KEY,
    project TEXT NOT NULL,
    purpose TEXT NOT NULL,
    filename TEXT NOT NULL,
    -- What the client declared; what its parts have is counted below.
    bytes INTEGER NOT NULL CHECK (bytes >= 0),
    created_at INTEGER NOT NULL CHECK (created_at >= 0),
    expires_at INTEGER NOT NULL CHECK (expires_at >= 0),
    -- Microseconds from the file's creation to its expiry.
    file_expires_after INTEGER,

    part_count INTEGER NOT NULL DEFAULT 0 CHECK (part_count >= 0),
    part_bytes INTEGER NOT NULL DEFAULT 0 CHECK (part_bytes >= 0),

    status TEXT NOT NULL CHECK (status IN ('pending', 'completed', 'cancelled', 'expired')),
    -- The file that it became, when, and of which parts in which order.
    file TEXT,
    completed_at INTEGER,
    part_order TEXT CHECK (json_valid(part_order)),

    CHECK ((status = 'completed') = (file IS NOT NULL)),
    CHECK ((status = 'completed') = (completed_at IS NOT NULL)),
    CHECK ((status = 'completed') = (part_order IS NOT NULL))
) STRICT;

CREATE INDEX uploads_to_expire ON uploads (expires_at) WHERE status = 'pending';
CREATE INDEX uploads_to_forget ON uploads (expires_at) WHERE status <> 'pending';

-- The parts of pending uploads. Those of a completed one are extents of its file.
CREATE TABLE upload_parts (
    id TEXT NOT NULL PRIMARY KEY,
    upload TEXT NOT NULL REFERENCES uploads (id) ON DELETE CASCADE,
    created_at INTEGER NOT NULL CHECK (created_at >= 0),
    blob TEXT NOT NULL,
    start INTEGER NOT NULL CHECK (start >= 0),
    length INTEGER NOT NULL CHECK (length >= 0),
    checksum INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX upload_parts_by_upload ON upload_parts (upload);
CREATE INDEX upload_parts_by_blob ON upload_parts (blob);

-- What was answered to the first request under a client's idempotency key.
CREATE TABLE first_answers (
    project TEXT NOT NULL,
    key TEXT NOT NULL,
    -- Tells that request from another one under the same key.
    request TEXT NOT NULL,
    body TEXT NOT NULL,
    answered_at INTEGER NOT NULL CHECK (answered_at >= 0),
    PRIMARY KEY (project, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX first_answers_by_time ON first_answers (answered_at);
