// Elements from plain calls. Every text goes in as a text node and every attribute by name, so that
// no name, message or body can become markup.

const SVG = 'http://www.w3.org/2000/svg';
const listeners = new WeakMap();

/** An HTML element. `on` holds listeners, `vars` style properties, `set` properties; the rest are attributes. */
export function h(tag, attributes, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** An SVG element. */
export function svg(tag, attributes, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name === 'on') listen(element, value);
    else if (name === 'vars') {
      for (const [property, text] of Object.entries(value)) element.style.setProperty(property, text);
    } else if (name === 'set') Object.assign(element, value);
    else element.setAttribute(name, value === true ? '' : String(value));
  }
  add(element, children);
  return element;
}

function add(element, children) {
  for (const child of children) {
    if (child === null || child === undefined || child === false) continue;
    if (Array.isArray(child)) add(element, child);
    else element.append(child instanceof Node ? child : String(child));
  }
}

function listen(element, handlers) {
  listeners.set(element, handlers);
  for (const type of Object.keys(handlers)) element.addEventListener(type, heard);
}

// One listener for all: which handler is called is looked up, so that `patch` can change it.
function heard(event) {
  return listeners.get(event.currentTarget)?.[event.type]?.(event);
}

/**
 * Makes the children of an element like those given, changing as little as possible: what has the
 * focus keeps it, what is scrolled stays so. Elements with `data-island` look after their own inside.
 */
export function patch(parent, ...children) {
  const holder = document.createDocumentFragment();
  add(holder, children);
  patchChildren(parent, holder);
}

function patchChildren(parent, wanted) {
  // What is gone goes first: what stays is then not moved, which would cost it the focus.
  const keys = new Set(Array.from(wanted.children, (child) => child.dataset?.key));
  for (const child of [...parent.children]) if (child.dataset?.key && !keys.has(child.dataset.key)) child.remove();
  const keyed = new Map();
  for (const child of parent.children) if (child.dataset?.key) keyed.set(child.dataset.key, child);
  let at = parent.firstChild;
  for (const next of [...wanted.childNodes]) {
    const own = next.nodeType === 1 && next.dataset?.key ? keyed.get(next.dataset.key) : null;
    if (own && own !== at) parent.insertBefore(own, at);
    const current = own ?? at;
    if (current && isLike(current, next)) {
      at = current.nextSibling;
      patchNode(current, next);
    } else {
      parent.insertBefore(next, at);
    }
  }
  while (at) {
    const gone = at;
    at = at.nextSibling;
    gone.remove();
  }
}

function isLike(one, other) {
  return one.nodeName === other.nodeName && (one.nodeType !== 1 || one.dataset?.key === other.dataset?.key);
}

function patchNode(old, next) {
  if (old.nodeType !== 1) {
    if (old.nodeValue !== next.nodeValue) old.nodeValue = next.nodeValue;
    return;
  }
  const handlers = listeners.get(next);
  if (handlers) {
    for (const type of Object.keys(handlers)) if (!listeners.get(old)?.[type]) old.addEventListener(type, heard);
    listeners.set(old, handlers);
  }
  patchAttributes(old, next);
  if (!('island' in old.dataset)) patchChildren(old, next);
}

function patchAttributes(old, next) {
  for (const { name } of [...old.attributes]) {
    const isOwn = name === 'open' || name === 'style' || name === 'data-picked';
    if (!isOwn && !next.hasAttribute(name)) old.removeAttribute(name);
  }
  for (const { name, value } of [...next.attributes]) {
    if (name !== 'style' && old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  for (const property of [...old.style]) {
    if (!next.style.getPropertyValue(property)) old.style.removeProperty(property);
  }
  for (const property of [...next.style]) {
    const value = next.style.getPropertyValue(property);
    if (old.style.getPropertyValue(property) !== value) old.style.setProperty(property, value);
  }
  if (old.type === 'checkbox') {
    old.checked = next.checked;
    old.indeterminate = next.indeterminate;
  } else if (old.nodeName === 'SELECT' || old.nodeName === 'INPUT') {
    if (document.activeElement !== old && next.value && old.value !== next.value) old.value = next.value;
  }
}
