//! What holds for every plan, and for bytes that were one once: blobs come back from disks.

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::RngSeed;

use super::*;
use crate::segment::ResultFile;

/// The same cases at every run.
fn seeded() -> ProptestConfig {
    ProptestConfig {
        cases: 1_000,
        rng_seed: RngSeed::Fixed(13),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// Entries with numbers as they come, of so many models.
fn entries(models: u32) -> impl Strategy<Value = Vec<PlanEntry>> {
    let entry =
        (any::<u64>(), any::<[u32; 6]>(), 0..models).prop_map(|(offset, numbers, model)| {
            let [length, crc32c, id_start, id_len, body_start, body_len] = numbers;
            PlanEntry {
                line: 0,
                offset,
                length,
                crc32c,
                model,
                id_start,
                id_len,
                body_start,
                body_len,
            }
        });
    prop::collection::vec(entry, 1..40).prop_map(|mut entries| {
        for (entry, line) in entries.iter_mut().zip(1..) {
            entry.line = line;
        }
        entries
    })
}

fn written(entries: &[PlanEntry], models: u32) -> Vec<u8> {
    let mut writer = PlanWriter::new();
    let mut plan = Vec::new();
    for entry in entries {
        writer.push(entry, &mut plan);
    }
    let names = (0..models).map(|model| format!("m{model}").into());
    writer.finish(names.collect(), &mut plan);
    plan
}

/// Footer and trailer of a plan, and what stands before them.
fn split(plan: &[u8]) -> Result<(PlanFooter, &[u8]), PlanCorrupt> {
    let trailer = &plan[plan.len().saturating_sub(TRAILER_SIZE)..];
    let range = tail_range(trailer, plan.len() as u64)?;
    let (entries, tail) = plan.split_at(usize::try_from(range.start).unwrap());
    Ok((PlanFooter::decode(tail)?, entries))
}

proptest! {
    #![proptest_config(seeded())]

    #[test]
    fn every_entry_is_found_under_its_model(mut written_entries in entries(3)) {
        let plan = written(&written_entries, 3);
        let (footer, blob) = split(&plan).unwrap();
        prop_assert_eq!(footer.total, written_entries.len() as u64);
        let mut found = Vec::new();
        for model in 0..3 {
            for run in footer.runs_of(model) {
                let range = run.range();
                let start = usize::try_from(range.start).unwrap();
                let end = usize::try_from(range.end).unwrap();
                for bytes in blob[start..end].chunks(PlanEntry::SIZE) {
                    let entry = PlanEntry::decode(bytes).unwrap();
                    prop_assert_eq!(entry.model, model);
                    found.push(entry);
                }
            }
        }
        found.sort_unstable_by_key(|entry| entry.line);
        written_entries.sort_unstable_by_key(|entry| entry.line);
        prop_assert_eq!(found, written_entries);
    }

    #[test]
    fn a_footer_with_a_changed_byte_or_a_lost_end_is_refused(
        entries in entries(2),
        at in any::<Index>(),
        flipped in 1_u8..,
        lost in 1_usize..60,
    ) {
        let plan = written(&entries, 2);
        let tail = plan.len() - split(&plan).unwrap().1.len();
        let mut damaged = plan.clone();
        damaged[plan.len() - 1 - at.index(tail)] ^= flipped;
        prop_assert!(split(&damaged).is_err());
        let shorter = &plan[..plan.len().saturating_sub(lost)];
        prop_assert!(split(shorter).is_err());
    }

    #[test]
    fn arbitrary_bytes_are_never_a_footer(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
        prop_assert!(PlanFooter::decode(&bytes).is_err());
        prop_assert!(split(&bytes).is_err());
    }

    #[test]
    fn a_footer_whose_checksum_is_right_may_say_anything(
        bytes in prop::collection::vec(
            prop_oneof![3 => Just(0_u8), 1 => 0_u8..4, 1 => any::<u8>()], 0..80),
    ) {
        let mut tail = bytes.clone();
        tail.extend((bytes.len() as u64).to_le_bytes());
        tail.extend(crc32c::crc32c(&bytes).to_le_bytes());
        tail.extend(b"ovnplan\x01");
        if let Ok(footer) = PlanFooter::decode(&tail) {
            let entries: u64 = footer.runs.iter().map(|run| u64::from(run.entries)).sum();
            prop_assert_eq!(entries, footer.total);
        }
    }

    #[test]
    fn arbitrary_bytes_are_an_entry_or_none_and_give_no_bytes_from_outside_of_a_line(
        bytes in prop::collection::vec(any::<u8>(), 36..42),
        line in prop::collection::vec(any::<u8>(), 0..40),
        places in any::<[u8; 4]>(),
    ) {
        let decoded = PlanEntry::decode(&bytes);
        prop_assert_eq!(decoded.is_some(), bytes.len() == PlanEntry::SIZE);
        if let Some(entry) = decoded {
            let mut again = Vec::new();
            entry.encode(&mut again);
            prop_assert_eq!(&again, &bytes);
            prop_assert_eq!(entry.parts(&line), None);
            let [id_start, id_len, body_start, body_len] = places.map(u32::from);
            let placed = PlanEntry {
                length: u32::try_from(line.len()).unwrap(),
                crc32c: crc32c::crc32c(&line),
                id_start,
                id_len,
                body_start,
                body_len,
                ..entry
            };
            let fits = id_start + id_len <= placed.length && body_start + body_len <= placed.length;
            prop_assert_eq!(placed.parts(&line).is_some(), fits);
        }
        if let Some(entry) = IndexEntry::decode(&bytes) {
            prop_assert!(matches!(entry.file, ResultFile::Output | ResultFile::Error));
            let mut again = Vec::new();
            entry.encode(&mut again);
            prop_assert_eq!(again, bytes);
        }
    }
}
