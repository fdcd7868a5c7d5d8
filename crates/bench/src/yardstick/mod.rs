//! What the product is compared with: the same thing done as barely as can be, in the same run.

pub(crate) mod bare;
pub(crate) mod disk;
pub(crate) mod sendfile;
