import { type Static, Type } from '@sinclair/typebox';
import { check } from '#contract/check.ts';

/** Where the observer leaves its reader; odd enough that no page has it. */
const readerName = '__whyslowMilestones';

/**
 * Runs in the page before any of its scripts. A text and not a function: what compiles this program
 * may add helpers to a function's body that the page does not have.
 */
export const observerScript = `(() => {
  if (window !== window.top) return;
  const milestones = { fcpMs: null, lcpMs: null, cls: 0, longTasks: [] };
  let windowStart = 0, windowLast = 0, windowSum = 0;
  const take = {
    paint(entry) {
      if (entry.name === 'first-contentful-paint') milestones.fcpMs = entry.startTime;
    },
    'largest-contentful-paint'(entry) { milestones.lcpMs = entry.startTime; },
    'layout-shift'(entry) {
      if (entry.hadRecentInput) return;
      const isNew = entry.startTime - windowLast > 1000 || entry.startTime - windowStart > 5000;
      if (isNew) { windowStart = entry.startTime; windowSum = 0; }
      windowLast = entry.startTime;
      windowSum += entry.value;
      milestones.cls = Math.max(milestones.cls, windowSum);
    },
    longtask(entry) { milestones.longTasks.push([entry.startTime, entry.duration]); },
  };
  const observers = Object.keys(take).map((type) => {
    const observer = new PerformanceObserver((list) => list.getEntries().forEach(take[type]));
    try { observer.observe({ type, buffered: true }); } catch {}
    return [observer, take[type]];
  });
  const read = () => {
    for (const [observer, one] of observers) observer.takeRecords().forEach(one);
    const navigation = performance.getEntriesByType('navigation')[0];
    const done = (value) => (value > 0 ? value : null);
    const loadMs = navigation ? done(navigation.loadEventEnd) || done(navigation.loadEventStart) : null;
    return {
      ttfbMs: navigation ? done(navigation.responseStart) : null,
      fcpMs: milestones.fcpMs,
      lcpMs: milestones.lcpMs,
      cls: milestones.cls,
      domContentLoadedMs: navigation ? done(navigation.domContentLoadedEventEnd) : null,
      loadMs,
      totalBlockingMs: milestones.longTasks
        .filter(([start]) => loadMs === null || start < loadMs)
        .reduce((sum, [, duration]) => sum + Math.max(0, duration - 50), 0),
      longTasks: {
        count: milestones.longTasks.length,
        longest: milestones.longTasks
          .sort(([, one], [, other]) => other - one)
          .slice(0, 10)
          .map(([startMs, durationMs]) => ({ startMs, durationMs })),
      },
    };
  };
  Object.defineProperty(window, '${readerName}', { value: read });
})()`;

export const readScript = `window.${readerName} ? window.${readerName}() : null`;

const Time = Type.Number({ minimum: 0, maximum: 86_400_000 });
const Ms = Type.Union([Time, Type.Null()]);
const Milestones = Type.Object({
  ttfbMs: Ms,
  fcpMs: Ms,
  lcpMs: Ms,
  cls: Type.Union([Type.Number({ minimum: 0 }), Type.Null()]),
  domContentLoadedMs: Ms,
  loadMs: Ms,
  totalBlockingMs: Ms,
  longTasks: Type.Union([
    Type.Object({
      count: Type.Integer({ minimum: 0, maximum: 1_000_000 }),
      longest: Type.Array(Type.Object({ startMs: Time, durationMs: Time }), { maxItems: 10 }),
    }),
    Type.Null(),
  ]),
});
export type Milestones = Static<typeof Milestones>;

/** What the page gave back is the page's: a hostile one may have put anything in its place. */
export const parseMilestones = (value: unknown): Milestones => {
  const checked = check(Milestones, value);
  return checked.ok ? checked.value : noMilestones;
};

export const noMilestones: Milestones = {
  ttfbMs: null,
  fcpMs: null,
  lcpMs: null,
  cls: null,
  domContentLoadedMs: null,
  loadMs: null,
  totalBlockingMs: null,
  longTasks: null,
};
