// The files of the project: what they are for, how large, until when; a look inside.

import { h, patch } from '../dom.js';
import { address } from '../api/client.js';
import { contentOf, download } from '../api/download.js';
import { deleteFile, head, listFiles } from '../api/routes.js';
import { bytes } from '../format.js';
import { button, empty, heading, notice, pager, waiting, when } from '../parts/bits.js';
import { callsButton } from '../parts/calls.js';
import { icon } from '../parts/icons.js';
import { json } from '../parts/json.js';
import { attempt, confirm, dialog } from '../parts/notes.js';
import { chip } from '../parts/status.js';
import { to } from '../router.js';
import { now } from '../live.js';

const PAGE = 25;
const LOOK_BYTES = 16 * 1024;
const LOOK_LINES = 5;
const PURPOSES = [['', 'All'], ['batch', 'Inputs'], ['batch_output', 'Results']];
const WORDS = { batch: ['input', 'info'], batch_output: ['results', 'good'] };

export function files({ query }) {
  let filters = query;
  let page = { data: [], has_more: false };
  const asked = () => ({ limit: PAGE, after: filters.get('after'), purpose: filters.get('purpose'), order: 'desc' });
  const calls = () => [{ path: address('/v1/files', asked()), python: 'client.files.list()', cli: 'overnight files list' }];
  return {
    title: 'Files',
    refined: (next) => {
      filters = next;
    },
    async refresh() {
      page = await listFiles(asked());
    },
    draw: () => [
      heading({ title: 'Files', actions: [callsButton(calls)] }),
      toolbar(filters),
      h('div', { class: 'card', 'data-key': 'list' }, page.data.length ? table(page) : nothing(filters), foot(page, filters)),
    ],
  };
}

function toolbar(filters) {
  const purpose = filters.get('purpose') ?? '';
  return h('div', { class: 'toolbar', 'data-key': 'toolbar' }, h('nav', { class: 'segments', 'aria-label': 'Purpose' }, PURPOSES.map(([name, text]) => h('a', { href: to(['files'], { purpose: name }), 'aria-current': name === purpose ? 'true' : null }, text))));
}

function table(page) {
  return h(
    'table',
    { class: 'table cards' },
    h('thead', {}, h('tr', {}, h('th', {}, 'File'), h('th', { class: 'col-status' }, 'Purpose'), h('th', { class: 'num col-small' }, 'Size'), h('th', { class: 'num col-when' }, 'Created'), h('th', { class: 'num col-when' }, 'Expires'), h('th', { class: 'num col-acts' }, h('span', { class: 'sr' }, 'Actions')))),
    h('tbody', {}, page.data.map(row)),
  );
}

function row(file) {
  const [word, tone] = WORDS[file.purpose] ?? [file.purpose, null];
  return h(
    'tr',
    { 'data-key': file.id },
    h('td', {}, h('div', { class: 'name' }, h('b', {}, file.filename), h('small', {}, file.id))),
    h('td', { class: 'end' }, chip(word, tone)),
    h('td', { class: 'num' }, bytes(file.bytes)),
    h('td', { class: 'num end small muted' }, when(file.created_at)),
    h('td', { class: 'num gone small muted' }, file.expires_at ? when(file.expires_at) : 'never'),
    h(
      'td',
      { class: 'num wide' },
      button('', { sign: 'eye', kind: 'small icon plain', label: `Look into ${file.filename}`, title: 'Look inside', click: () => look(file) }),
      button('', { sign: 'down', kind: 'small icon plain', label: `Download ${file.filename}`, title: 'Download', click: () => attempt(() => download(contentOf(file.id), file.filename)) }),
      file.purpose === 'batch' ? h('a', { class: 'button small icon plain', href: to(['new'], { file: file.id }), 'aria-label': `New batch from ${file.filename}`, title: 'New batch' }, icon('plus', 16)) : null,
      button('', { sign: 'bin', kind: 'small icon plain danger', label: `Delete ${file.filename}`, title: 'Delete', click: () => remove(file) }),
    ),
  );
}

async function look(file) {
  const body = h('div', { class: 'stack' }, waiting(8));
  dialog({ title: file.filename, kind: 'drawer' }, body);
  try {
    const lines = (await head(file.id, LOOK_BYTES)).split('\n').filter(Boolean).slice(0, LOOK_LINES);
    patch(body, h('p', { class: 'muted' }, 'The first lines.'), lines.map((line, index) => json(parsed(line), `line ${index + 1}`)));
  } catch (error) {
    patch(body, notice('bad', error.message));
  }
}

function parsed(line) {
  try {
    return JSON.parse(line);
  } catch {
    return line;
  }
}

async function remove(file) {
  const text = file.purpose === 'batch' ? 'Batches that run keep what they need of it. It cannot be brought back.' : 'The results in it cannot be brought back.';
  if (!(await confirm({ title: `Delete ${file.filename}?`, text: `${bytes(file.bytes)}. ${text}`, yes: 'Delete the file' }))) return;
  if (await attempt(() => deleteFile(file.id), 'Deleted')) await now();
}

function nothing(filters) {
  if (filters.get('purpose') || filters.get('after')) return empty('search', 'Nothing matches', 'No file is as you ask.', h('a', { class: 'button', href: to(['files']) }, 'Show all'));
  return empty('files', 'No file yet', 'Uploaded files and the results of batches are listed here.', h('a', { class: 'button primary', href: to(['new']) }, 'Upload a file'));
}

function foot(page, filters) {
  const isFirst = !filters.get('after');
  if (isFirst && !page.has_more) return null;
  const purpose = filters.get('purpose');
  return pager({ text: `${page.data.length} on this page`, newer: isFirst ? null : to(['files'], { purpose }), older: page.has_more ? to(['files'], { purpose, after: page.data.at(-1).id }) : null });
}
