// The calls behind a screen: what one would type to get the same from the API.

import { h } from '../dom.js';
import { key } from '../api/client.js';
import { button, code } from './bits.js';
import { dialog } from './notes.js';

/** A button that shows how the same is had without the dashboard. `calls`: `{ path, method, json, python, cli }`. */
export function callsButton(calls) {
  return button('API', { sign: 'code', click: () => show(calls()), label: 'Show the API calls of this screen' });
}

function show(calls) {
  dialog(
    { title: 'The same without the dashboard', kind: 'wide' },
    h('p', { class: 'muted' }, 'Everything on this screen comes from the public API.'),
    ...calls.flatMap((call) => [
      call.path ? [h('h3', {}, 'curl'), code(curl(call))] : null,
      call.python ? [h('h3', {}, 'Python'), code(python(call.python))] : null,
      call.cli ? [h('h3', {}, 'Command line'), code(call.cli)] : null,
    ]),
  );
}

function curl({ path, method = 'GET', json }) {
  const parts = [`curl ${method === 'GET' ? '' : `-X ${method} `}'${location.origin}${path}'`];
  if (key()) parts.push('-H "Authorization: Bearer $OPENAI_API_KEY"');
  if (json) parts.push("-H 'Content-Type: application/json'", `-d '${JSON.stringify(json)}'`);
  return parts.join(' \\\n  ');
}

function python(call) {
  const shown = key() ? '' : ', api_key="any"';
  return `from openai import OpenAI\n\nclient = OpenAI(base_url="${location.origin}/v1"${shown})\n${call}`;
}
