/** Search fields that answer while one types: at once over what is listed, then from the collector. */
export const startFilters = ({ reload }) => {
  let timer;
  document.addEventListener('input', ({ target }) => {
    if (!target.matches?.('[data-filters]')) return;
    applyFilters();
    clearTimeout(timer);
    timer = setTimeout(() => {
      const url = new URL(location.href);
      if (target.value.trim() === '') url.searchParams.delete(target.name);
      else url.searchParams.set(target.name, target.value.trim());
      history.replaceState(null, '', url);
      void reload();
    }, 200);
  });
};

/** Hides the listed rows whose name does not contain what is typed; again after every refresh. */
export const applyFilters = () => {
  for (const input of document.querySelectorAll('[data-filters]')) {
    const list = document.getElementById(input.dataset.filters);
    if (!list) continue;
    const sought = input.value.trim().toLowerCase();
    let shown = 0;
    for (const row of list.children) {
      row.hidden = !row.dataset.name.toLowerCase().includes(sought);
      if (!row.hidden) shown += 1;
    }
    const none = document.getElementById(`${list.id}-none`);
    if (none) none.hidden = shown > 0;
  }
};
