// The frame: where one can go, whether what is seen is true, light or dark.

import { h, patch } from './dom.js';
import { icon, mark } from './parts/icons.js';
import { choose, theme } from './theme.js';
import { to } from './router.js';

const PLACES = [
  ['overview', 'Overview'],
  ['batches', 'Batches'],
  ['files', 'Files'],
  ['upstreams', 'Upstreams'],
  ['settings', 'Settings'],
];
const THEMES = [['light', 'sun', 'Light'], ['auto', 'system', 'As the system'], ['dark', 'moon', 'Dark']];

let section = 'overview';
let state = { name: 'late', since: 0, why: '' };
let drawn = () => {};

/** Draws the frame. Answers the place of the screens, and how to mark where one is. */
export function shell(root) {
  const bars = h('div', { class: 'bars' });
  const main = h('main', { class: 'main', id: 'main', tabindex: -1 });
  const side = h('aside', { class: 'side', 'aria-label': 'Navigation' });
  const top = h('header', { class: 'topbar' });
  const foot = h('nav', { class: 'tabbar', 'aria-label': 'Main' });
  root.replaceChildren(top, h('div', { class: 'shell' }, side, main), foot, bars);
  drawn = () => {
    patch(side, sideBar());
    patch(top, brand(), h('div', { class: 'row' }, liveText(), link('settings', '', { class: 'button plain icon', 'aria-label': 'Settings' })));
    patch(foot, tabs());
  };
  drawn();
  return {
    main,
    mark(name) {
      section = name;
      drawn();
    },
  };
}

/** Shows how the connection is. */
export function showState(name, since, error) {
  state = { name, since, why: error?.message ?? '' };
  drawn();
}

const brand = () => h('a', { class: 'brand', href: to(['overview']) }, mark(), 'Overnight');

function link(name, text, more = {}) {
  return h('a', { href: to([name]), 'aria-current': name === section ? 'page' : null, ...more }, icon(name), text);
}

function sideBar() {
  return [
    brand(),
    h('a', { class: 'button primary new', href: to(['new']) }, icon('plus', 16), 'New batch'),
    h('nav', { class: 'nav', 'aria-label': 'Main' }, PLACES.map(([name, text]) => link(name, text))),
    h('div', { class: 'side-foot' }, liveText(), themes()),
  ];
}

function tabs() {
  const [overview, batches, files, upstreams] = PLACES;
  const tab = ([name, text]) => link(name, text);
  return [
    tab(overview),
    tab(batches),
    h('a', { href: to(['new']), 'aria-current': section === 'new' ? 'page' : null }, icon('plus'), 'New'),
    tab(files),
    tab(upstreams),
  ];
}

function liveText() {
  const text = { live: 'Live', late: 'Connecting …', down: 'No connection', paused: 'Paused' }[state.name];
  return h('div', { class: 'live', 'data-state': state.name, title: state.why || null }, h('i'), text);
}

/** The choice between light and dark. */
export function themes() {
  return h(
    'div',
    { class: 'themes', role: 'group', 'aria-label': 'Theme' },
    THEMES.map(([name, sign, text]) =>
      h('button', { type: 'button', 'aria-pressed': String(theme() === name), 'aria-label': text, title: text, on: { click: () => { choose(name); drawn(); } } }, icon(sign, 16)),
    ),
  );
}
