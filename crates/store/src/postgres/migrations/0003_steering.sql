-- Since when nothing more of an open batch is sent, because somebody paused it.
ALTER TABLE batches ADD COLUMN paused_at BIGINT CHECK (paused_at >= 0);
-- The batch of whose failed lines this one was made. It may be forgotten before this one is.
ALTER TABLE batches ADD COLUMN parent TEXT COLLATE "C";
-- Invisible from then on; the row stays while its result files are still read.
ALTER TABLE batches ADD COLUMN deleted_at BIGINT CHECK (deleted_at >= 0);

-- Counted for whoever looks at everything.
CREATE INDEX batches_by_project_status ON batches (project, status) WHERE deleted_at IS NULL;
CREATE INDEX batches_by_parent ON batches (parent, id) WHERE parent IS NOT NULL;
CREATE INDEX batches_to_let_go ON batches (deleted_at)
    WHERE deleted_at IS NOT NULL AND result_files = 0;
