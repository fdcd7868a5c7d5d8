use std::path::Path;

use super::*;
use crate::lines::output::Output;

fn written(path: &Path, rows: usize, text: &str) -> ParquetRows {
    let columns = [
        ("name".to_owned(), ColumnKind::Text),
        ("number".to_owned(), ColumnKind::Number),
    ];
    let output = Output::create(Some(path)).unwrap();
    let mut table = ParquetTable::new(output, &columns).unwrap();
    for number in 0..rows {
        let even = number % 2 == 0;
        let name = if even {
            Cell::Text(format!("{text}{number}"))
        } else {
            Cell::None
        };
        let cells = [name, Cell::Number(i64::try_from(number).unwrap())];
        table.row(cells.into_iter()).unwrap();
    }
    table.finish().unwrap();
    ParquetRows::open(path).unwrap()
}

#[test]
fn what_is_written_is_read_row_by_row() {
    let folder = tempfile::tempdir().unwrap();
    let mut rows = written(&folder.path().join("t.parquet"), 3, "ä");
    assert_eq!(rows.names(), ["name", "number"]);
    for expected in [["ä0", "0"], ["", "1"], ["ä2", "2"]] {
        assert_eq!(rows.next().unwrap().unwrap(), expected);
    }
    assert_eq!(rows.next().unwrap(), None);
}

#[test]
fn a_long_file_has_groups_of_rows() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.parquet");
    // Each text has a mebibyte, so that a group is full after sixteen.
    let mut rows = written(&path, 40, &"x".repeat(1 << 20));
    assert_eq!(groups(&path), 2);
    let mut read = 0;
    while let Some(row) = rows.next().unwrap() {
        assert_eq!(row[1], read.to_string());
        read += 1;
    }
    assert_eq!(read, 40);
    written(&path, 0, "");
    assert_eq!(groups(&path), 0);
}

fn groups(path: &Path) -> usize {
    use parquet::file::reader::{FileReader as _, SerializedFileReader};
    let file = std::fs::File::open(path).unwrap();
    let reader = SerializedFileReader::new(file).unwrap();
    reader.metadata().num_row_groups()
}

#[test]
fn what_is_no_parquet_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.parquet");
    std::fs::write(&path, "PAR1 nonsense PAR1").unwrap();
    let error = ParquetRows::open(&path).err().unwrap().to_string();
    assert!(error.ends_with("t.parquet is no Parquet file"), "{error}");
    assert!(ParquetRows::open(Path::new("-")).is_err());
}
