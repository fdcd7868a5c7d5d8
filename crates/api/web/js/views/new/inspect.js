// Starts the first look at a file, and tells what it finds.

/** Calls with what was found so far, until the file is at its end or it is given up. */
export function inspect(file, signal, found) {
  const worker = new Worker(new URL('../scan.js', import.meta.url), { type: 'module' });
  worker.onmessage = ({ data }) => {
    if (signal.aborted) return;
    found(data);
    if (data.isDone) worker.terminate();
  };
  worker.onerror = () => worker.terminate();
  signal.addEventListener('abort', () => worker.terminate());
  worker.postMessage(file);
}
