//! A database that the first version of the program left, with a batch in it that was running.

use std::time::Duration;

use overnight_core::batch::Status;
use overnight_core::input::{Catalog, Checker, InputLimits, Rules};
use overnight_core::outcome::{LineIds, write_head, write_tail};
use overnight_core::segment::{BlobKey, Extent, LineSet};
use overnight_core::time::Timestamp;
use overnight_engine::upstream::scripted::{Script, Step, chat_answer};
use overnight_store::sqlite::past;

use crate::house::{House, ended, ids, lines, upstream};

const BATCH: &str = "batch_6b49d200000000000000000000000001";
const FILE: &str = "file-1111111111111111111111";

/// The plan that validation wrote.
fn plan(input: &str) -> Vec<u8> {
    let rules = Rules {
        endpoint: "/v1/chat/completions".into(),
        limits: InputLimits::default(),
        single_model: false,
        catalog: Catalog::Any,
    };
    let (mut checker, mut plan) = (Checker::new(rules, 7), Vec::new());
    checker.push(input.as_bytes(), &mut plan);
    checker.finish(&mut plan).unwrap();
    plan
}

/// The result lines of the first lines.
fn results(count: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for id in ids(count) {
        let ids = LineIds::new(Timestamp::from_seconds(1_800_000_000), 1, 2);
        write_head(&mut bytes, ids, format!("\"{id}\"").as_bytes(), 200);
        bytes.extend_from_slice(br#"{"id":"before"}"#);
        write_tail(&mut bytes);
    }
    bytes
}

/// The rows, in the words of the first version: a batch of twenty lines of which eight are done,
/// held by a process that is dead.
fn rows([input, plan, output]: &[Extent; 3]) -> String {
    let done: LineSet = (1..=8).collect();
    let done: String = done.to_bytes().iter().map(|b| format!("{b:02x}")).collect();
    let at = 1_799_999_000_000_000_u64;
    let sum = |extent: &Extent| extent.checksum.cast_signed();
    format!(
        r#"
        INSERT INTO files (id, project, purpose, filename, bytes, created_at)
        VALUES ('{FILE}', 'default', 'batch', 'in.jsonl', {in_length}, {at});
        INSERT INTO extents (file, at, place, blob, start, length, checksum)
        VALUES ('{FILE}', 0, 0, '{in_blob}', 0, {in_length}, {in_sum});
        INSERT INTO batches (id, project, input_file, spec, created_at, expires_at, status, history,
            moved_at, plan, plan_blob, total, completed, output_bytes, epoch, worker)
        VALUES ('{BATCH}', 'default', '{FILE}',
            '{{"input_file":"{FILE}","endpoint":"/v1/chat/completions",
               "window":{{"text":"24h","length":{{"secs":86400,"nanos":0}}}},
               "metadata":null,"output_expires_after":null}}',
            {at}, {at} + 86400000000, 'in_progress',
            '{{"in_progress_at":{at},"finalizing_at":null,"completed_at":null,"failed_at":null,
               "expired_at":null,"cancelling_at":null,"cancelled_at":null}}',
            {at}, '{{"entries":{{"blob":"{plan_blob}","offset":0,"length":{plan_length},
                     "checksum":{plan_sum}}},"total":20,"model":"m"}}',
            '{plan_blob}', 20, 8, {out_length}, 1, 'worker_dead');
        INSERT INTO segments (batch, epoch, seq, last_epoch, last_seq, output_blob, output_start,
            output_length, output_checksum, output_at, lines, completed, failed, unrun,
            input_tokens, cached_tokens, output_tokens, reasoning_tokens, total_tokens)
        VALUES ('{BATCH}', 1, 0, 1, 0, '{out_blob}', 0, {out_length}, {out_sum}, 0, x'{done}',
            8, 0, 0, 0, 0, 0, 0, 0);
        INSERT INTO uploads (blob, announced_at) VALUES ('files/unfinished', {at});
        "#,
        in_blob = input.blob,
        in_length = input.length,
        in_sum = sum(input),
        plan_blob = plan.blob,
        plan_length = plan.length,
        plan_sum = plan.checksum,
        out_blob = output.blob,
        out_length = output.length,
        out_sum = sum(output),
    )
}

#[test]
fn a_batch_of_the_first_version_goes_on_and_completes() {
    let house = House::new();
    House::live(async || {
        let input = lines(20).concat();
        let blobs = &house.blobs;
        let mut extents = Vec::new();
        for (key, bytes) in [
            (BlobKey::upload(1), input.clone().into_bytes()),
            (BlobKey::plan(&BATCH.into(), 1, 1 << 96), plan(&input)),
            (
                "segments/old/1/0000000000-output-00000001".into(),
                results(8),
            ),
        ] {
            extents.push(blobs.put(&key, vec![bytes.into()]).await.unwrap());
        }
        let extents: [Extent; 3] = extents.try_into().unwrap();
        past::write(&house.database(), 1, &rows(&extents)).unwrap();

        let upstream = upstream(Script::by(|_| Step::Answer(chat_answer("ok"))));
        let life = house.start(&upstream);
        let id = BATCH.into();
        let batch = life.end(&id, Duration::from_mins(1)).await;
        assert_eq!(ended(batch.as_ref()), Some(Status::Completed));
        let results = life.results(&id, &ids(20)).await;
        assert_eq!(results.output["r-0"]["response"]["body"]["id"], "before");
        assert_eq!(upstream.seen().len(), 12, "what was done is not done again");
        life.stop().await;
    });
}
