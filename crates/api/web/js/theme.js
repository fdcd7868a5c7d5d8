// Light, dark, or as the system is.

/** `light`, `dark` or `auto`. */
export const theme = () => document.documentElement.dataset.theme ?? 'auto';

/** Chooses one, and keeps the choice. */
export function choose(name) {
  const root = document.documentElement;
  if (name === 'auto') delete root.dataset.theme;
  else root.dataset.theme = name;
  try {
    if (name === 'auto') localStorage.removeItem('overnight.theme');
    else localStorage.setItem('overnight.theme', name);
  } catch { /* It holds until the page is closed. */ }
}
