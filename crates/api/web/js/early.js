// Before anything is drawn: the theme that was chosen, so that no page flashes in the other one.
(() => {
  let theme = null;
  try { theme = localStorage.getItem('overnight.theme'); } catch { /* Storage is switched off. */ }
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
})();
