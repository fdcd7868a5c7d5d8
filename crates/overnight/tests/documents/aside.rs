//! What is not run, by kind, and why.

use crate::page::Block;

/// Blocks that are not run for one reason.
struct Kind {
    /// Why not.
    reason: &'static str,
    /// The page of each block, and its first line.
    blocks: &'static [(&'static str, &'static str)],
}

/// Every block that is not run.
const KINDS: [Kind; 9] = [
    Kind {
        reason: "builds the program or what is shipped, which takes minutes; `binary(sample)` and \
                 the other tests use what was built",
        blocks: &[
            ("README.md", "cargo install --path crates/overnight"),
            (
                "docs/quickstart.md",
                "cargo install --path crates/overnight",
            ),
            (
                "docs/deploying.md",
                "scripts/package static     # a binary that needs nothing of the system that it runs on",
            ),
        ],
    },
    Kind {
        reason: "is a test itself, or is run by one: `binary(sample)`, `scripts/test`, \
                 `uploads::large_files_come_in_parts`",
        blocks: &[
            ("README.md", "scripts/sample"),
            ("README.md", "scripts/test"),
            ("README.md", "scripts/sample --real"),
            (
                "docs/api.md",
                "UPLOAD_TEST_BYTES=8589934592 cargo test -p overnight --test acceptance large_files_come_in_parts",
            ),
        ],
    },
    Kind {
        reason: "measures for hours",
        blocks: &[
            (
                "docs/benchmarks.md",
                "scripts/bench                                     # everything, at full size: some hours",
            ),
            ("docs/benchmarks.md", "scripts/profile throughput"),
        ],
    },
    Kind {
        reason: "starts an inference server that needs a GPU, a container or a download of \
                 gigabytes; a simulator stands in for it",
        blocks: &[
            (
                "docs/quickstarts/vllm.md",
                "vllm serve Qwen/Qwen2.5-0.5B-Instruct",
            ),
            (
                "docs/quickstarts/sglang.md",
                "python -m sglang.launch_server --model-path Qwen/Qwen2.5-0.5B-Instruct --port 30000 --enable-metrics",
            ),
            (
                "docs/quickstarts/llama-cpp.md",
                "llama-server --model model.gguf --alias model.gguf --port 8000 --parallel 8 --metrics",
            ),
            (
                "docs/quickstarts/ollama.md",
                "OLLAMA_NUM_PARALLEL=4 ollama serve",
            ),
            ("docs/quickstarts/ollama.md", "ollama pull qwen2.5:0.5b"),
            (
                "docs/quickstarts/tgi.md",
                "docker run --gpus all --shm-size 1g --publish 3000:80 \
                 ghcr.io/huggingface/text-generation-inference --model-id Qwen/Qwen2.5-0.5B-Instruct",
            ),
            (
                "docs/migrating/from-vllm-run-batch.md",
                "vllm run-batch -i requests.jsonl -o answers.jsonl --model Qwen/Qwen2.5-0.5B-Instruct",
            ),
            (
                "docs/migrating/from-vllm-run-batch.md",
                "vllm serve Qwen/Qwen2.5-0.5B-Instruct",
            ),
        ],
    },
    Kind {
        reason: "fetches a package; `scripts/fetch-clients` has fetched it",
        blocks: &[
            ("docs/clients/openai-node.md", "npm install openai"),
            ("docs/clients/openai-python.md", "pip install openai"),
            ("docs/clients/langchain.md", "pip install langchain-core"),
            ("docs/clients/instructor.md", "pip install instructor"),
            ("docs/migrating/from-asyncio.md", "pip install openai"),
        ],
    },
    Kind {
        reason: "installs a service on the system",
        blocks: &[(
            "docs/deploying.md",
            "apt-get install ./target/package/overnight_*.deb",
        )],
    },
    Kind {
        reason: "needs a database, a bucket or a folder that several machines share; \
                 `acceptance` does the same with its own",
        blocks: &[
            (
                "docs/operating.md",
                "overnight serve --store postgres://... --data /mnt/overnight --upstream http://gpu-1:8000",
            ),
            (
                "docs/operating.md",
                "export AWS_ACCESS_KEY_ID=... AWS_SECRET_ACCESS_KEY=... AWS_REGION=eu-central-1",
            ),
            (
                "docs/operating.md",
                "overnight backup --store postgres://... --blobs s3://batches/overnight --to backup",
            ),
            (
                "docs/operating.md",
                "overnight migrate --from overnight-data --to postgres://... s3://batches/overnight",
            ),
            (
                "docs/configuration.md",
                "overnight serve --store postgres://overnight:secret@db.internal:5432/overnight?sslmode=verify-full \
                 --data /mnt/overnight --upstream http://gpu-1:8000",
            ),
        ],
    },
    Kind {
        reason: "needs a program that is no part of this and that the tests do without: a cluster, \
                 a converter of PDFs",
        blocks: &[
            ("docs/recipes/slurm.md", "sbatch batch.sbatch"),
            (
                "docs/recipes/extract-documents.md",
                "pdftoppm -r 150 -png report.pdf pages/report",
            ),
        ],
    },
    Kind {
        reason: "sets a size that takes minutes; the story sets a smaller one",
        blocks: &[("docs/recipes/million-lines.md", "export N=1000000")],
    },
];

/// Why a block is not run; `None` when it is.
pub(crate) fn kind_of(path: &str, block: &Block) -> Option<&'static str> {
    let is_it = |name: &(&str, &str)| *name == (path, block.first_line());
    let kind = KINDS.iter().find(|kind| kind.blocks.iter().any(is_it))?;
    Some(kind.reason)
}

/// The page and the first line of every block that is not run.
pub(crate) fn names() -> impl Iterator<Item = (&'static str, &'static str)> {
    KINDS.iter().flat_map(|kind| kind.blocks).copied()
}
