-- Tables and columns have the names that they have in SQLite's schema. What differs, and why:
--
-- * Ids are compared byte by byte (COLLATE "C"): they are cursors, and the order of a language would
--   not be that of their creation.
-- * JSON is text that no CHECK parses: PostgreSQL evaluates every check of a row whenever the row
--   changes, and a batch's counts change with each flush. Whoever reads it parses it.
-- * Who holds a batch is its `worker`, as in SQLite; until when, is said once for all batches of a
--   worker, in `workers`.
--
-- Times are microseconds since 1970 as the caller tells them; the time of `workers` alone is that of
-- the database. Checksums are 64 bits, kept as signed integers.

-- Names this installation: a place for blobs belongs to one alone, since what it does not name is swept
-- there.
CREATE TABLE installation (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY
);

INSERT INTO installation (id) VALUES (gen_random_uuid()::TEXT);

-- The workers that there are or were lately. A worker's lease on all that it holds ends at `until`.
CREATE TABLE workers (
    worker TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    until TIMESTAMPTZ NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE batches (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    project TEXT COLLATE "C" NOT NULL,
    input_file TEXT COLLATE "C" NOT NULL,
    spec TEXT NOT NULL,
    created_at BIGINT NOT NULL CHECK (created_at >= 0),
    expires_at BIGINT NOT NULL CHECK (expires_at >= 0),

    status TEXT COLLATE "C" NOT NULL CHECK (status IN (
        'validating', 'in_progress', 'finalizing', 'cancelling',
        'completed', 'expired', 'cancelled', 'failed'
    )),
    ending TEXT CHECK (ending IN ('drained', 'deadline_passed')),
    errors TEXT,
    output_file TEXT COLLATE "C",
    error_file TEXT COLLATE "C",
    history TEXT NOT NULL,
    -- When the status was last moved, and when for the last time.
    moved_at BIGINT NOT NULL CHECK (moved_at >= 0),
    ended_at BIGINT,
    revision BIGINT NOT NULL DEFAULT 0 CHECK (revision >= 0),

    plan TEXT,
    -- The plan's blob for as long as the batch needs it.
    plan_blob TEXT COLLATE "C",
    total BIGINT NOT NULL DEFAULT 0 CHECK (total >= 0),

    -- Sums over the recorded segments.
    completed BIGINT NOT NULL DEFAULT 0 CHECK (completed >= 0),
    failed BIGINT NOT NULL DEFAULT 0 CHECK (failed >= 0),
    unrun BIGINT NOT NULL DEFAULT 0 CHECK (unrun >= 0),
    input_tokens BIGINT NOT NULL DEFAULT 0 CHECK (input_tokens >= 0),
    cached_tokens BIGINT NOT NULL DEFAULT 0 CHECK (cached_tokens >= 0),
    output_tokens BIGINT NOT NULL DEFAULT 0 CHECK (output_tokens >= 0),
    reasoning_tokens BIGINT NOT NULL DEFAULT 0 CHECK (reasoning_tokens >= 0),
    total_tokens BIGINT NOT NULL DEFAULT 0 CHECK (total_tokens >= 0),
    output_bytes BIGINT NOT NULL DEFAULT 0 CHECK (output_bytes >= 0),
    error_bytes BIGINT NOT NULL DEFAULT 0 CHECK (error_bytes >= 0),
    -- How many of its result files are still kept.
    result_files BIGINT NOT NULL DEFAULT 0 CHECK (result_files BETWEEN 0 AND 2),

    -- The lease: how often the batch was claimed, and who holds it.
    epoch BIGINT NOT NULL DEFAULT 0 CHECK (epoch >= 0),
    -- A worker that is named here has a row, for as long as it is named: whoever takes over its
    -- batches locks that row.
    worker TEXT COLLATE "C" REFERENCES workers (worker),

    CHECK ((status = 'finalizing') = (ending IS NOT NULL)),
    CHECK ((status = 'failed') = (errors IS NOT NULL)),
    CHECK ((status IN ('completed', 'expired', 'cancelled', 'failed')) = (ended_at IS NOT NULL)),
    CHECK (ended_at IS NULL OR (worker IS NULL AND plan_blob IS NULL)),
    CHECK (plan IS NOT NULL OR total = 0),
    CHECK (completed + failed + unrun <= total),
    CHECK (status <> 'completed' OR completed + failed + unrun = total)
    -- A flush changes counts, and none of the indexed columns: with room on its page, the new version
    -- of the row needs no entry in any index.
) WITH (fillfactor = 70);

CREATE INDEX batches_by_project ON batches (project, id);
CREATE INDEX batches_by_status ON batches (status);
CREATE INDEX batches_to_claim ON batches (expires_at, id)
    WHERE ended_at IS NULL AND worker IS NULL;
CREATE INDEX batches_by_worker ON batches (worker, id) WHERE worker IS NOT NULL;
CREATE INDEX batches_by_input ON batches (input_file) WHERE ended_at IS NULL;
CREATE INDEX batches_by_plan ON batches (plan_blob) WHERE plan_blob IS NOT NULL;
CREATE INDEX batches_to_forget ON batches (ended_at)
    WHERE ended_at IS NOT NULL AND result_files = 0;

CREATE TABLE files (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    project TEXT COLLATE "C" NOT NULL,
    purpose TEXT COLLATE "C" NOT NULL,
    -- A NUL, which no text of PostgreSQL can hold, is kept as U+FFFD.
    filename TEXT NOT NULL,
    bytes BIGINT NOT NULL CHECK (bytes >= 0),
    created_at BIGINT NOT NULL CHECK (created_at >= 0),
    expires_at BIGINT,
    -- Invisible from then on; the row stays while its bytes are still read.
    deleted_at BIGINT,
    -- When nobody reads the bytes of a deleted result file any more.
    forget_at BIGINT,
    -- A result file has no extents of its own: they are those of the batch's segments.
    results_of TEXT COLLATE "C" REFERENCES batches (id),
    part TEXT CHECK (part IN ('output', 'error')),

    CHECK ((results_of IS NULL) = (part IS NULL)),
    CHECK (forget_at IS NULL OR deleted_at IS NOT NULL)
);

CREATE INDEX files_by_project ON files (project, id) WHERE deleted_at IS NULL;
CREATE INDEX files_by_purpose ON files (project, purpose, id) WHERE deleted_at IS NULL;
CREATE INDEX files_by_expiry ON files (expires_at)
    WHERE deleted_at IS NULL AND expires_at IS NOT NULL;
CREATE INDEX files_to_forget ON files (forget_at) WHERE forget_at IS NOT NULL;
CREATE UNIQUE INDEX files_by_batch ON files (results_of, part) WHERE results_of IS NOT NULL;

CREATE TABLE extents (
    file TEXT COLLATE "C" NOT NULL REFERENCES files (id) ON DELETE CASCADE,
    -- The offset of its first byte in the file; several are at one offset when some are empty.
    at BIGINT NOT NULL CHECK (at >= 0),
    place BIGINT NOT NULL CHECK (place >= 0),
    blob TEXT COLLATE "C" NOT NULL,
    start BIGINT NOT NULL CHECK (start >= 0),
    length BIGINT NOT NULL CHECK (length >= 0),
    checksum BIGINT NOT NULL,
    PRIMARY KEY (file, at, place)
);

CREATE INDEX extents_by_blob ON extents (blob);

-- Blobs that clients are sending and that no file or part names yet.
CREATE TABLE announcements (
    blob TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    announced_at BIGINT NOT NULL CHECK (announced_at >= 0)
);

CREATE INDEX announcements_by_time ON announcements (announced_at);

CREATE TABLE uploads (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    project TEXT COLLATE "C" NOT NULL,
    purpose TEXT COLLATE "C" NOT NULL,
    -- As the name of a file.
    filename TEXT NOT NULL,
    -- What the client declared; what its parts have is counted below.
    bytes BIGINT NOT NULL CHECK (bytes >= 0),
    created_at BIGINT NOT NULL CHECK (created_at >= 0),
    expires_at BIGINT NOT NULL CHECK (expires_at >= 0),
    -- Microseconds from the file's creation to its expiry.
    file_expires_after BIGINT,

    part_count BIGINT NOT NULL DEFAULT 0 CHECK (part_count >= 0),
    part_bytes BIGINT NOT NULL DEFAULT 0 CHECK (part_bytes >= 0),

    status TEXT COLLATE "C" NOT NULL
        CHECK (status IN ('pending', 'completed', 'cancelled', 'expired')),
    -- The file that it became, when, and of which parts in which order.
    file TEXT COLLATE "C",
    completed_at BIGINT,
    part_order TEXT,

    CHECK ((status = 'completed') = (file IS NOT NULL)),
    CHECK ((status = 'completed') = (completed_at IS NOT NULL)),
    CHECK ((status = 'completed') = (part_order IS NOT NULL))
);

CREATE INDEX uploads_to_expire ON uploads (expires_at) WHERE status = 'pending';
CREATE INDEX uploads_to_forget ON uploads (expires_at) WHERE status <> 'pending';

-- The parts of pending uploads. Those of a completed one are extents of its file.
CREATE TABLE upload_parts (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    upload TEXT COLLATE "C" NOT NULL REFERENCES uploads (id) ON DELETE CASCADE,
    created_at BIGINT NOT NULL CHECK (created_at >= 0),
    blob TEXT COLLATE "C" NOT NULL,
    start BIGINT NOT NULL CHECK (start >= 0),
    length BIGINT NOT NULL CHECK (length >= 0),
    checksum BIGINT NOT NULL
);

CREATE INDEX upload_parts_by_upload ON upload_parts (upload);
CREATE INDEX upload_parts_by_blob ON upload_parts (blob);

-- What was answered to the first request under a client's idempotency key.
CREATE TABLE first_answers (
    project TEXT COLLATE "C" NOT NULL,
    key TEXT COLLATE "C" NOT NULL,
    -- Tells that request from another one under the same key.
    request TEXT NOT NULL,
    body TEXT NOT NULL,
    answered_at BIGINT NOT NULL CHECK (answered_at >= 0),
    PRIMARY KEY (project, key)
);

CREATE INDEX first_answers_by_time ON first_answers (answered_at);

CREATE TABLE segments (
    batch TEXT COLLATE "C" NOT NULL REFERENCES batches (id),
    epoch BIGINT NOT NULL CHECK (epoch >= 0),
    seq BIGINT NOT NULL CHECK (seq >= 0),
    -- The last of the segments that were merged into this one; itself when none were.
    last_epoch BIGINT NOT NULL,
    last_seq BIGINT NOT NULL,

    output_blob TEXT COLLATE "C",
    output_start BIGINT,
    output_length BIGINT,
    output_checksum BIGINT,
    -- The offset of its first byte in the output file.
    output_at BIGINT,
    error_blob TEXT COLLATE "C",
    error_start BIGINT,
    error_length BIGINT,
    error_checksum BIGINT,
    error_at BIGINT,
    index_blob TEXT COLLATE "C",
    index_start BIGINT,
    index_length BIGINT,
    index_checksum BIGINT,

    -- A roaring bitmap of line numbers.
    lines BYTEA NOT NULL,
    completed BIGINT NOT NULL CHECK (completed >= 0),
    failed BIGINT NOT NULL CHECK (failed >= 0),
    unrun BIGINT NOT NULL CHECK (unrun >= 0),
    input_tokens BIGINT NOT NULL CHECK (input_tokens >= 0),
    cached_tokens BIGINT NOT NULL CHECK (cached_tokens >= 0),
    output_tokens BIGINT NOT NULL CHECK (output_tokens >= 0),
    reasoning_tokens BIGINT NOT NULL CHECK (reasoning_tokens >= 0),
    total_tokens BIGINT NOT NULL CHECK (total_tokens >= 0),

    PRIMARY KEY (batch, epoch, seq),
    CHECK ((output_blob IS NULL) = (output_length IS NULL)),
    CHECK ((output_blob IS NULL) = (output_at IS NULL)),
    CHECK ((error_blob IS NULL) = (error_length IS NULL)),
    CHECK ((error_blob IS NULL) = (error_at IS NULL)),
    CHECK ((index_blob IS NULL) = (index_length IS NULL)),
    CHECK ((last_epoch, last_seq) >= (epoch, seq))
);

CREATE INDEX segments_by_output_at ON segments (batch, output_at) WHERE output_at IS NOT NULL;
CREATE INDEX segments_by_error_at ON segments (batch, error_at) WHERE error_at IS NOT NULL;
CREATE INDEX segments_by_output_blob ON segments (output_blob) WHERE output_blob IS NOT NULL;
CREATE INDEX segments_by_error_blob ON segments (error_blob) WHERE error_blob IS NOT NULL;
CREATE INDEX segments_by_index_blob ON segments (index_blob) WHERE index_blob IS NOT NULL;

CREATE TABLE batch_progress (
    batch TEXT COLLATE "C" NOT NULL PRIMARY KEY REFERENCES batches (id) ON DELETE CASCADE,
    progress TEXT NOT NULL
);

-- What a worker said of its upstreams goes with what is known of the worker.
CREATE TABLE upstream_status (
    worker TEXT COLLATE "C" NOT NULL REFERENCES workers (worker) ON DELETE CASCADE,
    name TEXT COLLATE "C" NOT NULL,
    status TEXT NOT NULL,
    PRIMARY KEY (worker, name)
);

-- Blobs to delete, and when at the earliest.
CREATE TABLE garbage (
    blob TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    not_before BIGINT NOT NULL CHECK (not_before >= 0)
);

CREATE INDEX garbage_by_time ON garbage (not_before);

-- Blobs that turned out to be damaged or gone. What is here is never swept: whoever looks into it
-- finds it as it was found.
CREATE TABLE quarantine (
    blob TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    -- The run of bytes that is not what was written.
    start BIGINT NOT NULL CHECK (start >= 0),
    length BIGINT NOT NULL CHECK (length >= 0),
    checksum BIGINT NOT NULL,
    -- What named the blob when it was found, and what is wrong with it, for a person.
    held TEXT NOT NULL,
    why TEXT NOT NULL,
    found_at BIGINT NOT NULL CHECK (found_at >= 0)
);

-- Until when no blob may be deleted, because somebody copies them.
CREATE TABLE holds (
    holder TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    until BIGINT NOT NULL CHECK (until >= 0)
);

CREATE INDEX holds_by_time ON holds (until);
