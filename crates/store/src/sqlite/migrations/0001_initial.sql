-- Times are microseconds since 1970. Checksums are 64 bits, kept as signed integers.

CREATE TABLE batches (
    id TEXT NOT NULL PRIMARY KEY,
    project TEXT NOT NULL,
    input_file TEXT NOT NULL,
    spec TEXT NOT NULL CHECK (json_valid(spec)),
    created_at INTEGER NOT NULL CHECK (created_at >= 0),
    expires_at INTEGER NOT NULL CHECK (expires_at >= 0),

    status TEXT NOT NULL CHECK (status IN (
        'validating', 'in_progress', 'finalizing', 'cancelling',
        'completed', 'expired', 'cancelled', 'failed'
    )),
    ending TEXT CHECK (ending IN ('drained', 'deadline_passed')),
    errors TEXT CHECK (json_valid(errors)),
    output_file TEXT,
    error_file TEXT,
    history TEXT NOT NULL CHECK (json_valid(history)),
    -- When the status was last moved, and when for the last time.
    moved_at INTEGER NOT NULL CHECK (moved_at >= 0),
    ended_at INTEGER,
    revision INTEGER NOT NULL DEFAULT 0 CHECK (revision >= 0),

    plan TEXT CHECK (json_valid(plan)),
    -- The plan's blob for as long as the batch needs it.
    plan_blob TEXT,
    total INTEGER NOT NULL DEFAULT 0 CHECK (total >= 0),

    -- Sums over the recorded segments.
    completed INTEGER NOT NULL DEFAULT 0 CHECK (completed >= 0),
    failed INTEGER NOT NULL DEFAULT 0 CHECK (failed >= 0),
    unrun INTEGER NOT NULL DEFAULT 0 CHECK (unrun >= 0),
    input_tokens INTEGER NOT NULL DEFAULT 0 CHECK (input_tokens >= 0),
    cached_tokens INTEGER NOT NULL DEFAULT 0 CHECK (cached_tokens >= 0),
    output_tokens INTEGER NOT NULL DEFAULT 0 CHECK (output_tokens >= 0),
    reasoning_tokens INTEGER NOT NULL DEFAULT 0 CHECK (reasoning_tokens >= 0),
    total_tokens INTEGER NOT NULL DEFAULT 0 CHECK (total_tokens >= 0),
    output_bytes INTEGER NOT NULL DEFAULT 0 CHECK (output_bytes >= 0),
    error_bytes INTEGER NOT NULL DEFAULT 0 CHECK (error_bytes >= 0),
    -- How many of its result files are still kept.
    result_files INTEGER NOT NULL DEFAULT 0 CHECK (result_files BETWEEN 0 AND 2),

    -- The lease: how often the batch was claimed, and who holds it.
    epoch INTEGER NOT NULL DEFAULT 0 CHECK (epoch >= 0),
    worker TEXT,

    CHECK ((status = 'finalizing') = (ending IS NOT NULL)),
    CHECK ((status = 'failed') = (errors IS NOT NULL)),
    CHECK ((status IN ('completed', 'expired', 'cancelled', 'failed')) = (ended_at IS NOT NULL)),
    CHECK (ended_at IS NULL OR (worker IS NULL AND plan_blob IS NULL)),
    CHECK (plan IS NOT NULL OR total = 0),
    CHECK (completed + failed + unrun <= total),
    CHECK (status <> 'completed' OR completed + failed + unrun = total)
) STRICT;

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
    id TEXT NOT NULL PRIMARY KEY,
    project TEXT NOT NULL,
    purpose TEXT NOT NULL,
    filename TEXT NOT NULL,
    bytes INTEGER NOT NULL CHECK (bytes >= 0),
    created_at INTEGER NOT NULL CHECK (created_at >= 0),
    expires_at INTEGER,
    -- Invisible from then on; the row stays while its bytes are still read.
    deleted_at INTEGER,
    -- When nobody reads the bytes of a deleted result file any more.
    forget_at INTEGER,
    -- A result file has no extents of its own: they are those of the batch's segments.
    results_of TEXT REFERENCES batches (id),
    part TEXT CHECK (part IN ('output', 'error')),

    CHECK ((results_of IS NULL) = (part IS NULL)),
    CHECK (forget_at IS NULL OR deleted_at IS NOT NULL)
) STRICT;

CREATE INDEX files_by_project ON files (project, id) WHERE deleted_at IS NULL;
CREATE INDEX files_by_purpose ON files (project, purpose, id) WHERE deleted_at IS NULL;
CREATE INDEX files_by_expiry ON files (expires_at)
    WHERE deleted_at IS NULL AND expires_at IS NOT NULL;
CREATE INDEX files_to_forget ON files (forget_at) WHERE forget_at IS NOT NULL;
CREATE UNIQUE INDEX files_by_batch ON files (results_of, part) WHERE results_of IS NOT NULL;

CREATE TABLE extents (
    file TEXT NOT NULL REFERENCES files (id) ON DELETE CASCADE,
    -- The offset of its first byte in the file; several are at one offset when some are empty.
    at INTEGER NOT NULL CHECK (at >= 0),
    place INTEGER NOT NULL CHECK (place >= 0),
    blob TEXT NOT NULL,
    start INTEGER NOT NULL CHECK (start >= 0),
    length INTEGER NOT NULL CHECK (length >= 0),
    checksum INTEGER NOT NULL,
    PRIMARY KEY (file, at, place)
) STRICT, WITHOUT ROWID;

CREATE INDEX extents_by_blob ON extents (blob);

-- Blobs of uploads that no file names yet.
CREATE TABLE uploads (
    blob TEXT NOT NULL PRIMARY KEY,
    announced_at INTEGER NOT NULL CHECK (announced_at >= 0)
) STRICT, WITHOUT ROWID;

CREATE TABLE segments (
    batch TEXT NOT NULL REFERENCES batches (id),
    epoch INTEGER NOT NULL CHECK (epoch >= 0),
    seq INTEGER NOT NULL CHECK (seq >= 0),
    -- The last of the segments that were merged into this one; itself when none were.
    last_epoch INTEGER NOT NULL,
    last_seq INTEGER NOT NULL,

    output_blob TEXT,
    output_start INTEGER,
    output_length INTEGER,
    output_checksum INTEGER,
    -- The offset of its first byte in the output file.
    output_at INTEGER,
    error_blob TEXT,
    error_start INTEGER,
    error_length INTEGER,
    error_checksum INTEGER,
    error_at INTEGER,
    index_blob TEXT,
    index_start INTEGER,
    index_length INTEGER,
    index_checksum INTEGER,

    -- A roaring bitmap of line numbers.
    lines BLOB NOT NULL,
    completed INTEGER NOT NULL CHECK (completed >= 0),
    failed INTEGER NOT NULL CHECK (failed >= 0),
    unrun INTEGER NOT NULL CHECK (unrun >= 0),
    input_tokens INTEGER NOT NULL CHECK (input_tokens >= 0),
    cached_tokens INTEGER NOT NULL CHECK (cached_tokens >= 0),
    output_tokens INTEGER NOT NULL CHECK (output_tokens >= 0),
    reasoning_tokens INTEGER NOT NULL CHECK (reasoning_tokens >= 0),
    total_tokens INTEGER NOT NULL CHECK (total_tokens >= 0),

    PRIMARY KEY (batch, epoch, seq),
    CHECK ((output_blob IS NULL) = (output_length IS NULL)),
    CHECK ((output_blob IS NULL) = (output_at IS NULL)),
    CHECK ((error_blob IS NULL) = (error_length IS NULL)),
    CHECK ((error_blob IS NULL) = (error_at IS NULL)),
    CHECK ((index_blob IS NULL) = (index_length IS NULL)),
    CHECK ((last_epoch, last_seq) >= (epoch, seq))
) STRICT;

CREATE INDEX segments_by_output_at ON segments (batch, output_at) WHERE output_at IS NOT NULL;
CREATE INDEX segments_by_error_at ON segments (batch, error_at) WHERE error_at IS NOT NULL;
CREATE INDEX segments_by_output_blob ON segments (output_blob) WHERE output_blob IS NOT NULL;
CREATE INDEX segments_by_error_blob ON segments (error_blob) WHERE error_blob IS NOT NULL;
CREATE INDEX segments_by_index_blob ON segments (index_blob) WHERE index_blob IS NOT NULL;

CREATE TABLE batch_progress (
    batch TEXT NOT NULL PRIMARY KEY REFERENCES batches (id) ON DELETE CASCADE,
    progress TEXT NOT NULL CHECK (json_valid(progress))
) STRICT, WITHOUT ROWID;

CREATE TABLE upstream_status (
    worker TEXT NOT NULL,
    name TEXT NOT NULL,
    status TEXT NOT NULL CHECK (json_valid(status)),
    PRIMARY KEY (worker, name)
) STRICT, WITHOUT ROWID;

-- Blobs to delete, and when at the earliest.
CREATE TABLE garbage (
    blob TEXT NOT NULL PRIMARY KEY,
    not_before INTEGER NOT NULL CHECK (not_before >= 0)
) STRICT, WITHOUT ROWID;

CREATE INDEX garbage_by_time ON garbage (not_before);
