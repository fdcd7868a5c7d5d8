// Where the server asks for a key: it is asked for, tried, and kept for this tab alone.

import { ask, keep } from './api/client.js';
import { h } from './dom.js';
import { notice } from './parts/bits.js';
import { mark } from './parts/icons.js';

/** Shows the form in the place of everything else; `open` goes on when a key fits. */
export function gate(root, why, open) {
  const field = h('input', { class: 'input mono', id: 'key', type: 'password', autocomplete: 'off', spellcheck: 'false', required: true, placeholder: 'sk-…' });
  const submit = async (event) => {
    event.preventDefault();
    keep(field.value.trim());
    try {
      await ask('GET', '/v1/models');
    } catch (error) {
      keep(null);
      gate(root, error.message, open);
      return;
    }
    open();
  };
  root.replaceChildren(
    h(
      'main',
      { class: 'gate', id: 'main' },
      h(
        'form',
        { class: 'card', on: { submit } },
        h('div', { class: 'row' }, mark(36), h('div', {}, h('h1', {}, 'Overnight'), h('p', { class: 'muted' }, 'This server asks for an API key.'))),
        why ? notice('bad', why) : null,
        h('div', { class: 'field' }, h('label', { for: 'key' }, 'API key'), field, h('span', { class: 'hint' }, 'Kept in this tab until it is closed. Keys are made with ', h('code', {}, 'overnight key new'), '.')),
        h('button', { class: 'button primary', type: 'submit' }, 'Open the dashboard'),
      ),
    ),
  );
  document.title = 'API key · Overnight';
  field.focus();
}
