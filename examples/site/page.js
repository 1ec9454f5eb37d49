const list = document.querySelector('#entries');
const answer = await fetch('/api/entries').catch(() => undefined);
const entries = answer?.ok ? await answer.json() : [{ title: 'The entries could not be loaded.' }];
list.replaceChildren(
  ...entries.map(({ title }) =>
    Object.assign(document.createElement('li'), { textContent: title }),
  ),
);
