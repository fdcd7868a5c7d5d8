// A new batch: a file is dropped, looked at while it is sent, and nothing is created before one has
// seen what it would be.

import { h } from '../dom.js';
import { canTry, createBatch, getFile, listModels } from '../api/routes.js';
import { upload } from '../api/upload.js';
import { heading } from '../parts/bits.js';
import { callsButton } from '../parts/calls.js';
import { say } from '../parts/notes.js';
import { go } from '../router.js';
import { dropZone, fileCard } from './new/file.js';
import { lesson } from './new/lesson.js';
import { form, wish } from './new/form.js';
import { inspect } from './new/inspect.js';
import { verdictCard } from './new/verdict.js';
import { sampleFile } from './sample.js';

export function fresh(address, draw) {
  let { query } = address;
  const state = { draw, name: null, size: 0, sent: 0, file: null, scan: null, dry: null, error: null, wish: wish(), giveUp: null, isBusy: false };
  // What the server said of the file holds for one endpoint.
  state.recheck = () => state.file && tryOut(state);
  const take = (file) => receive(state, file);
  const over = (event) => {
    if (!event.dataTransfer?.types.includes('Files')) return;
    event.preventDefault();
    document.querySelector('.drop')?.toggleAttribute('data-over', event.type !== 'dragleave');
  };
  const drop = (event) => {
    over(event);
    document.querySelector('.drop')?.removeAttribute('data-over');
    if (event.dataTransfer?.files[0]) take(event.dataTransfer.files[0]);
  };
  const listeners = { dragover: over, dragleave: over, drop };
  for (const [type, call] of Object.entries(listeners)) addEventListener(type, call);
  const trySample = async () => take(await sample());
  let isBegun = false;
  return {
    title: 'New batch',
    refined(next) {
      query = next;
      isBegun = false;
    },
    async refresh() {
      if (isBegun) return;
      isBegun = true;
      reset(state);
      if (query.get('file')) await useFile(state, query.get('file'));
      else if (query.get('sample')) await trySample();
    },
    draw: () => [
      heading({ title: 'New batch', note: h('p', {}, 'A JSONL file, one request a line.'), actions: [callsButton(() => calls(state))] }),
      h('div', { class: 'column', 'data-key': 'new' }, state.name ? steps(state, () => create(state)) : [dropZone(take, trySample), lesson()]),
    ],
    leave() {
      state.giveUp?.abort();
      for (const [type, call] of Object.entries(listeners)) removeEventListener(type, call);
    },
  };
}

function steps(state, submit) {
  return h(
    'div',
    { class: 'grid main-aside' },
    h('div', { class: 'column' }, fileCard(state, () => reset(state)), verdictCard(state)),
    form(state, submit),
  );
}

async function sample() {
  const models = (await listModels()).data;
  return new File([sampleFile(models[0]?.id ?? 'sim', 40)], 'sample.jsonl', { type: 'application/jsonl' });
}

async function useFile(state, id) {
  state.file = await getFile(id);
  Object.assign(state, { name: state.file.filename, size: state.file.bytes, sent: state.file.bytes });
  await tryOut(state);
}

async function receive(state, file) {
  reset(state);
  Object.assign(state, { name: file.name, size: file.size, giveUp: new AbortController() });
  const { signal } = state.giveUp;
  state.draw();
  inspect(file, signal, (scan) => {
    state.scan = scan;
    state.wish.suggest(scan);
    state.draw();
  });
  try {
    state.file = await upload(file, (sent) => {
      state.sent = Math.min(sent, file.size);
      state.draw();
    }, signal);
    state.sent = file.size;
    await tryOut(state);
  } catch (error) {
    if (error.name === 'AbortError') return;
    state.error = error.message;
  }
  state.draw();
}

// Asks the server what it would make of the file, where it can tell without running it.
async function tryOut(state) {
  if (!canTry()) return;
  try {
    state.dry = await createBatch({ ...state.wish.body(state.file.id), overnight: { dry_run: true } });
    state.wish.suggest({ models: Object.fromEntries(state.dry.models.map(({ model, lines }) => [model, lines])), urls: {} });
  } catch (error) {
    state.error = error.message;
  }
  state.draw();
}

function reset(state) {
  state.giveUp?.abort();
  Object.assign(state, { name: null, size: 0, sent: 0, file: null, scan: null, dry: null, error: null, giveUp: null });
  state.draw();
}

async function create(state) {
  state.isBusy = true;
  state.error = null;
  state.draw();
  try {
    const batch = await createBatch(state.wish.body(state.file.id));
    say('The batch is created');
    go(['batches', batch.id]);
  } catch (error) {
    state.error = error.message;
  }
  state.isBusy = false;
  state.draw();
}

function calls(state) {
  const body = state.wish.body(state.file?.id ?? 'FILE_ID');
  const fields = Object.entries(body).filter(([name]) => name !== 'metadata').map(([name, value]) => `${name}="${value}"`).join(', ');
  return [{ path: '/v1/batches', method: 'POST', json: body, python: `file = client.files.create(file=open("requests.jsonl", "rb"), purpose="batch")\nbatch = client.batches.create(${fields})`, cli: 'overnight submit requests.jsonl' }];
}
