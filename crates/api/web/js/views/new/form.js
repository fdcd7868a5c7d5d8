// What the batch is to be, beside its file.

import { h } from '../../dom.js';
import { choices } from '../../api/routes.js';
import { many } from '../../format.js';
import { button, card } from '../../parts/bits.js';
import { icon } from '../../parts/icons.js';

/** What is wished for, as far as it was said. */
export function wish() {
  const chosen = { endpoint: null, completion_window: null, name: '', metadata: [] };
  let suggested = null;
  return {
    chosen,
    /** Takes the endpoint from what was seen of the file, unless one was chosen. */
    suggest({ urls }) {
      const [url] = Object.keys(urls ?? {});
      if (choices('endpoint').includes(url)) suggested = url;
    },
    endpoint: () => chosen.endpoint ?? suggested ?? choices('endpoint')[0] ?? '/v1/chat/completions',
    window: () => chosen.completion_window ?? choices('completion_window')[0] ?? '24h',
    /** The body that creates the batch. */
    body(file) {
      const metadata = Object.fromEntries([...(chosen.name ? [['name', chosen.name]] : []), ...chosen.metadata.filter(([name]) => name)]);
      return {
        input_file_id: file,
        endpoint: this.endpoint(),
        completion_window: this.window(),
        ...(Object.keys(metadata).length ? { metadata } : {}),
      };
    },
  };
}

/** The form beside the file. */
export function form(state, submit) {
  const { chosen } = state.wish;
  const set = (name) => (event) => {
    chosen[name] = event.target.value;
  };
  const choose = (event) => {
    set('endpoint')(event);
    state.recheck();
  };
  const send = (event) => {
    event.preventDefault();
    submit();
  };
  return h(
    'form',
    { class: 'column', on: { submit: send }, 'data-key': 'form' },
    card(
      'Batch',
      {},
      h(
        'div',
        { class: 'column' },
        field('name', 'Name', h('input', { class: 'input', id: 'name', placeholder: state.name, value: chosen.name, maxlength: 512, autocomplete: 'off', on: { input: set('name') } }), 'Kept in the metadata as name.'),
        field('endpoint', 'Endpoint', select('endpoint', choices('endpoint'), state.wish.endpoint(), choose)),
        field('window', 'Completion window', select('window', choices('completion_window'), state.wish.window(), set('completion_window'))),
        metadata(state),
      ),
    ),
    ready(state),
  );
}

const field = (id, text, input, hint) => h('div', { class: 'field', 'data-key': id }, h('label', { for: id }, text), input, hint ? h('span', { class: 'hint' }, hint) : null);

const select = (id, values, value, change) =>
  h('select', { class: 'select', id, on: { change } }, values.map((one) => h('option', { value: one, selected: one === value }, one)));

function metadata(state) {
  const { metadata: pairs } = state.wish.chosen;
  const add = () => {
    pairs.push(['', '']);
    state.draw();
  };
  const remove = (index) => () => {
    pairs.splice(index, 1);
    state.draw();
  };
  const set = (index, part) => (event) => {
    pairs[index][part] = event.target.value;
  };
  return h(
    'div',
    { class: 'field', 'data-key': 'metadata' },
    h('span', { class: 'label' }, 'Metadata'),
    h('div', { class: 'pairs' }, pairs.map(([name, value], index) =>
      h('div', {}, h('input', { class: 'input', placeholder: 'key', 'aria-label': `Key ${index + 1}`, maxlength: 64, value: name, on: { input: set(index, 0) } }), h('input', { class: 'input', placeholder: 'value', 'aria-label': `Value ${index + 1}`, maxlength: 512, value, on: { input: set(index, 1) } }), button('', { sign: 'cross', kind: 'icon plain', label: `Remove pair ${index + 1}`, click: remove(index) })),
    )),
    pairs.length < 15 ? h('div', {}, button('Add a pair', { sign: 'plus', kind: 'small plain', click: add })) : null,
  );
}

function ready(state) {
  const lines = state.dry?.lines ?? (state.scan?.isDone ? state.scan.lines : null);
  const isRefused = state.dry ? !state.dry.valid : (state.scan?.wrong ?? 0) > 0;
  const text = state.file ? (lines ? `Start ${many(lines, 'line')}` : 'Start the batch') : 'Waiting for the file …';
  return h(
    'div',
    { class: 'stack', 'data-key': 'ready' },
    h('button', { class: 'button primary', type: 'submit', disabled: !state.file || state.isBusy || (state.dry !== null && isRefused) }, icon('play', 16), text),
    isRefused ? h('p', { class: 'muted small' }, 'A file with a wrong line is refused as a whole, and nothing of it runs.') : null,
  );
}
