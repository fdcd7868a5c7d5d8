-- A worker that is about to end says so: it keeps what it holds until it gives that back, and the
-- others count on it no more when they share the batches out.
ALTER TABLE workers ADD COLUMN leaving BOOLEAN NOT NULL DEFAULT FALSE;
