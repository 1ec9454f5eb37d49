import uPlot from './uplot.js';

/** Draws every chart of the page from the JSON beside it, and again when its numbers change. */
const drawn = new Map();

const height = 210;
const dashes = [[], [7, 4], [2, 3], [9, 3, 2, 3]];

export const drawCharts = () => {
  for (const [place, { plot }] of drawn) {
    if (place.isConnected) continue;
    plot.destroy();
    drawn.delete(place);
  }
  for (const place of document.querySelectorAll('[data-plot]')) drawChart(place);
};

/** After a change of colours every chart is made anew. */
export const redrawCharts = () => {
  for (const { plot } of drawn.values()) plot.destroy();
  drawn.clear();
  drawCharts();
};

const drawChart = (place) => {
  const source = document.getElementById(`data-${place.dataset.plot}`)?.textContent;
  if (!source) return;
  const known = drawn.get(place);
  if (known?.source === source) return;
  const chart = JSON.parse(source);
  const shape = chart.lines.map(({ key }) => key).join(' ');
  if (known && known.shape === shape) {
    known.source = source;
    known.chart = chart;
    known.plot.setData(columnsOf(chart));
    return;
  }
  known?.plot.destroy();
  const entry = { source, shape, chart };
  entry.plot = new uPlot(optionsOf(entry, place), columnsOf(chart), place);
  drawn.set(place, entry);
};

/** Seconds, then the lines; a stacked chart's lines are sums from the top one down. */
const columnsOf = ({ kind, timesMs, lines }) => {
  const seconds = timesMs.map((timeMs) => timeMs / 1000);
  const values = lines.map((line) => line.values);
  if (kind !== 'stacked') return [seconds, ...values.map(bridge)];
  const sums = seconds.map(() => 0);
  const stacked = values.map((own) =>
    own.map((value, index) => {
      const isEmpty = values.every((column) => column[index] === null);
      if (isEmpty) return null;
      sums[index] += value ?? 0;
      return sums[index];
    }),
  );
  // Drawn from the highest sum down, so that each area covers what belongs to the parts below.
  return [seconds, ...stacked.map(bridge).reverse()];
};

/** A hole wider than this many usual steps is a gap; a probe may run more seldom than once a bucket. */
const gapSteps = 2.5;

/** uPlot breaks a line at null and draws on over undefined: only real gaps stay null. */
const bridge = (values) => {
  const at = values.flatMap((value, index) => (value === null ? [] : [index]));
  const steps = at.slice(1).map((index, before) => index - at[before]);
  const usualStep = [...steps].sort((a, b) => a - b)[Math.floor(steps.length / 2)] ?? 1;
  const bridged = [...values];
  for (const [before, step] of steps.entries()) {
    if (step > gapSteps * usualStep) continue;
    bridged.fill(undefined, at[before] + 1, at[before + 1]);
  }
  return bridged;
};

const dayS = 86_400;
const pad = (number) => String(number).padStart(2, '0');
const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** Local times, as a person on the phone says them. */
const timeLabel = (seconds, stepS) => {
  const time = new Date(seconds * 1000);
  if (stepS >= dayS || (stepS >= dayS / 4 && time.getHours() === 0))
    return `${time.getDate()} ${months[time.getMonth()]}`;
  const clock = `${pad(time.getHours())}:${pad(time.getMinutes())}`;
  return stepS < 60 ? `${clock}:${pad(time.getSeconds())}` : clock;
};

const optionsOf = (entry, place) => {
  const { chart } = entry;
  const color = (name) => getComputedStyle(place).getPropertyValue(name).trim();
  const isStacked = chart.kind === 'stacked';
  const lines = isStacked ? [...chart.lines].reverse() : chart.lines;
  const axis = {
    stroke: color('--quiet'),
    grid: { stroke: color('--line'), width: 1 },
    ticks: { stroke: color('--line'), width: 1, size: 4 },
    font: '12px system-ui, sans-serif',
  };
  return {
    width: place.clientWidth,
    height,
    legend: { show: false },
    cursor: { drag: { x: false, y: false }, points: { show: !isStacked } },
    scales: { y: { range: (_plot, _low, high) => [0, Math.max(high ?? 0, 1) * 1.08] } },
    axes: [
      {
        ...axis,
        space: 70,
        size: 28,
        values: (_plot, ticks, _axis, _space, stepS) => ticks.map((tick) => timeLabel(tick, stepS)),
      },
      {
        ...axis,
        size: 68,
        values: (_plot, ticks) => ticks.map((tick) => quantity(tick, chart.unit)),
      },
    ],
    series: [
      {},
      ...lines.map(({ key, label }, index) => ({
        label,
        stroke: isStacked ? color('--surface') : color(`--line-${key}`),
        fill: isStacked ? color(`--line-${key}`) : undefined,
        width: isStacked ? 1 : 2,
        dash: isStacked ? [] : dashes[index % dashes.length],
        points: isStacked ? { show: false } : { size: 4 },
        spanGaps: false,
      })),
    ],
    hooks: { setCursor: [(plot) => showValues(entry.chart, place, plot.cursor.idx)] },
  };
};

/** The legend shows the values under the pointer, else the newest ones, as the collector drew it. */
const showValues = (chart, place, index) => {
  const figure = place.closest('figure');
  const newest = chart.timesMs.findLastIndex((_, at) =>
    chart.lines.some(({ values }) => values[at] !== null),
  );
  for (const { key, values } of chart.lines) {
    const output = figure.querySelector(`output[data-line="${key}"]`);
    const own = chart.kind === 'lines' ? values.findLastIndex((value) => value !== null) : newest;
    if (output) output.textContent = quantity(values[index ?? own] ?? null, chart.unit);
  }
};

const quantity = (value, unit) => {
  if (value === null) return '–';
  const digits = Math.abs(value) < 9.95 ? 1 : 0;
  const text = value
    .toLocaleString('en', { maximumFractionDigits: digits })
    .replaceAll(',', '\u202f');
  return `${text}\u202f${unit}`;
};

let resizing;
addEventListener('resize', () => {
  cancelAnimationFrame(resizing);
  resizing = requestAnimationFrame(() => {
    for (const [place, { plot }] of drawn) plot.setSize({ width: place.clientWidth, height });
  });
});
