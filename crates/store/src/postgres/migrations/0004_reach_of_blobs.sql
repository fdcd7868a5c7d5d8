-- Whether a worker reaches the place of the blobs: NULL while nobody asks and nothing speaks against
-- it, FALSE when what it writes there fails, TRUE when it has just written there, while another one
-- cannot.
ALTER TABLE workers ADD COLUMN reaches_blobs BOOLEAN;
