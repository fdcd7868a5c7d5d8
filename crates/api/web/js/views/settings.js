// This page's own settings, the key, and what the server says of itself.

import { h } from '../dom.js';
import { key, keep } from '../api/client.js';
import { choices, description, listModels } from '../api/routes.js';
import { code, button, card, facts, heading } from '../parts/bits.js';
import { shortcutList } from '../keyboard.js';
import { themes } from '../shell.js';

export function settings(_, draw) {
  let models = [];
  const forget = () => {
    keep(null);
    location.reload();
  };
  return {
    title: 'Settings',
    async refresh() {
      models = (await listModels()).data;
    },
    draw: () => [
      heading({ title: 'Settings' }),
      h(
        'div',
        { class: 'grid two', 'data-key': 'settings' },
        h('div', { class: 'column' }, look(draw), access(forget), card('Keys', {}, shortcutList())),
        h('div', { class: 'column' }, server(models), connect()),
      ),
    ],
  };
}

const look = (draw) => card('Appearance', {}, h('div', { on: { click: draw } }, themes()));

function access(forget) {
  const own = key();
  return card(
    'Access',
    {},
    own
      ? h('div', { class: 'stack' }, facts([['API key', h('code', {}, `${own.slice(0, 3)}…${own.slice(-4)}`)], ['Kept', 'in this tab, until it is closed']]), h('div', {}, button('Forget the key', { sign: 'key', click: forget })))
      : h('p', { class: 'muted' }, 'This server asks for no key: it serves this machine alone. Keys are made with ', h('code', {}, 'overnight key new'), '.'),
  );
}

function server(models) {
  const { info, paths = {} } = description() ?? {};
  const tags = (list) => list.map((text) => [h('span', { class: 'tag' }, text), ' ']);
  return card(
    'Server',
    {},
    facts([
      ['Version', info?.version],
      ['Models', models.length ? tags(models.slice(0, 12).map((model) => model.id)) : 'none is known yet'],
      ['Windows', tags(choices('completion_window'))],
      ['Endpoints', tags(choices('endpoint'))],
      ['API', [key() ? 'openapi.json' : h('a', { href: '/openapi.json' }, 'openapi.json'), ` · ${Object.keys(paths).length} routes`]],
    ]),
  );
}

const connect = () =>
  card(
    'Connect a client',
    {},
    h('div', { class: 'stack' },
      h('p', { class: 'muted' }, 'Every client of OpenAI’s API works; only the address differs.'),
      code(`export OPENAI_BASE_URL=${location.origin}/v1`),
      code(`from openai import OpenAI\n\nclient = OpenAI(base_url="${location.origin}/v1", api_key="any")`),
    ),
  );
