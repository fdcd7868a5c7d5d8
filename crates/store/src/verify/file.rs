//! What must be true of uploaded files, and of uploads that wait for parts.

use super::{Check, Checks, Finding};
use crate::store::Result;

impl Checks<'_> {
    pub(super) async fn files(&mut self) -> Result<()> {
        let ids = self.rows.files();
        for id in self.read("the files", ids)?.into_iter().flatten() {
            self.summary.files += 1;
            let file = self.rows.file(&id);
            let Some(Some(record)) = self.read(id.as_str(), file)? else {
                continue;
            };
            // Those of batches were looked at with their segments.
            if record.results_of.is_some() {
                continue;
            }
            let mut end = 0;
            let mut is_joined = true;
            for (at, extent) in &record.extents {
                is_joined &= *at == end;
                end += extent.length;
                self.extent(extent, &format!("the file {id}")).await?;
            }
            let bytes = record.file.bytes;
            if !is_joined || end != bytes {
                let problem = format!("it has {bytes} bytes, and its parts do not make them up");
                self.tell(Finding::new(Check::File, id.as_str(), problem));
            }
        }
        self.uploads().await
    }

    async fn uploads(&mut self) -> Result<()> {
        let uploads = self.rows.uploads();
        for (upload, parts) in self.read("the uploads", uploads)?.into_iter().flatten() {
            self.summary.files += 1;
            let bytes: u64 = parts.iter().map(|part| part.extent.length).sum();
            let is_counted = upload.parts == parts.len() as u64 && upload.part_bytes == bytes;
            if !is_counted {
                let problem = "it does not count its parts";
                self.tell(Finding::new(Check::File, upload.id.as_str(), problem));
            }
            for part in &parts {
                let holder = format!("the part {} of {}", part.id, upload.id);
                self.extent(&part.extent, &holder).await?;
            }
        }
        Ok(())
    }
}
