// Failures by cause, the most frequent first; each leads to its lines.

import { h } from '../dom.js';
import { compact, percent } from '../format.js';

/** Bars of failure groups. `href` is where one leads; `chosen` the signature that is looked at. */
export function causes(groups, total, href, chosen) {
  const most = Math.max(1, ...groups.map((group) => group.count));
  return h(
    'div',
    { class: 'cause-bars' },
    groups.map((group) =>
      h(
        'a',
        { class: 'cause', href: href(group), 'data-key': `${group.code}/${group.signature}`, 'data-tone': group.retryable ? 'warn' : 'bad', 'aria-current': chosen === group.signature ? 'true' : null, title: group.signature },
        h('span', { class: 'text' }, group.signature),
        h('span', { class: 'count' }, compact(group.count), h('span', { class: 'muted small' }, ` · ${percent(group.count, total)}`)),
        h('span', { class: 'track' }, h('i', { vars: { '--share': `${(group.count / most) * 100}%` } })),
      ),
    ),
  );
}
