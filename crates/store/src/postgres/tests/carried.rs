//! Rows that are carried must be such as the tables take.

use super::{Place, run};
use crate::conformance::block_on;
use crate::conformance::fixture::batch;
use crate::{Store as _, StoreError, transfer};

#[test]
fn a_row_that_contradicts_itself_is_found_when_it_is_carried() {
    block_on(async {
        let place = Place::new();
        let store = place.open().await;
        store.insert_batch(&batch(1)).await.unwrap();
        let lenient = "DO $$ DECLARE name TEXT; BEGIN \
                 FOR name IN SELECT conname FROM pg_constraint \
                     WHERE conrelid = 'batches'::REGCLASS AND contype = 'c' \
                 LOOP EXECUTE format('ALTER TABLE batches DROP CONSTRAINT %I', name); END LOOP; \
             END $$";
        run(&store, lenient).await;
        run(&store, "UPDATE batches SET total = 7").await;
        let folder = tempfile::tempdir().unwrap();
        let found = folder.path().join("found.db");
        let refused = transfer::snapshot(&store, &found).await.unwrap_err();
        assert!(matches!(refused, StoreError::Contradicts(_)), "{refused:?}");
    });
}
