import { drawCharts, redrawCharts } from './charts.js';
import { applyFilters, startFilters } from './filter.js';
import { morph } from './morph.js';

/** The page works without this file; with it, it keeps itself current and draws its charts. */
const everyMs = 5000;

const status = document.getElementById('live-status');
const pause = document.getElementById('live-pause');
let isPaused = false;
let underWay;

const refresh = async () => {
  underWay?.abort();
  const own = new AbortController();
  underWay = own;
  try {
    const answer = await fetch(location.href, {
      headers: { accept: 'text/html' },
      redirect: 'manual',
      signal: own.signal,
    });
    // Signed out, or sent elsewhere: the listener's own answer is the one to see.
    if (answer.type === 'opaqueredirect' || answer.status === 401) return location.reload();
    if (!answer.ok) return say(`The collector answers ${answer.status}; this is the last state.`);
    show(new DOMParser().parseFromString(await answer.text(), 'text/html'));
  } catch (error) {
    if (error.name !== 'AbortError') say('The collector does not answer; this is the last state.');
  }
};

const show = (next) => {
  document.title = next.title;
  morph(document.getElementById('main'), next.getElementById('main'));
  applyFilters();
  drawCharts();
  say('');
};

const say = (text) => {
  if (status.textContent !== text) status.textContent = text;
};

pause.hidden = false;
pause.addEventListener('click', () => {
  isPaused = !isPaused;
  pause.textContent = isPaused ? 'Resume updates' : 'Pause updates';
  if (!isPaused) void refresh();
});
document.addEventListener('visibilitychange', () => {
  if (!document.hidden && !isPaused) void refresh();
});
setInterval(() => {
  if (!document.hidden && !isPaused) void refresh();
}, everyMs);
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', redrawCharts);

startFilters({ reload: refresh });
applyFilters();
drawCharts();
